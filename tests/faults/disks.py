"""The disk is full, or the data folder read-only, while a request is answered."""

import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from tests.faults.flows import Flow
from tests.faults.stage import Stage, ask
from tests.faults.victim import Victim
from tests.support.servers import environment

Fault = Callable[[Stage, Victim], AbstractContextManager[None]]


def with_full_disk(stage: Stage, flow: Flow, full: Fault) -> int | None:
    """No byte can be written while the request is answered."""
    return _with(stage, flow, full, unprivileged=False)


def with_read_only_folder(stage: Stage, flow: Flow) -> int | None:
    """The data folder and the files in it become read-only once the server runs; they are put right afterwards."""
    return _with(stage, flow, lambda stage, _: read_only(stage.folder), unprivileged=True)


def _with(stage: Stage, flow: Flow, fault: Fault, *, unprivileged: bool) -> int | None:
    """Gives what is answered under the fault; the same server then answers it, if it did not before."""
    stage.reference(flow)
    ready = stage.make_ready(flow)
    with stage.server(flow, unprivileged=unprivileged) as server:
        with fault(stage, server):
            status = ask(ready, server.url)
        assert status in {503, flow.status}, server.said
        after = status if status == flow.status else ask(ready, server.url)
        assert after == flow.status, server.said
    stage.audit(flow, ready, after)
    return status


@contextmanager
def limited(_: Stage, server: Victim) -> Iterator[None]:
    """As a full disk: writes that would let a file grow fail (setrlimit(2), RLIMIT_FSIZE; EFBIG)."""
    _limit(server, 0)
    try:
        yield
    finally:
        _limit(server, resource.RLIM_INFINITY)


def _limit(server: Victim, most: int) -> None:
    for process in server.processes:
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))


@contextmanager
def filled(stage: Stage, _: Victim) -> Iterator[None]:
    """A full disk: the stage's file system has no room (ENOSPC)."""
    filler = stage.folder / "filler"
    descriptor = os.open(filler, os.O_WRONLY | os.O_CREAT)
    try:
        for size in (2**16, 2**12, 1):
            _fill(descriptor, size)
        yield
    finally:
        os.close(descriptor)
        filler.unlink()


def _fill(descriptor: int, size: int) -> None:
    block = bytes(size)
    try:
        while os.write(descriptor, block):
            pass
    except OSError:
        return


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """A file system of 16 MiB at the folder; False where this machine lets nobody mount one."""
    mounted = subprocess.run(
        ["/bin/mount", "-t", "tmpfs", "-o", "size=16m", "doorward", str(folder)], check=False, capture_output=True
    )
    try:
        yield mounted.returncode == 0
    finally:
        if mounted.returncode == 0:
            subprocess.run(["/bin/umount", str(folder)], check=True)


def start_on_read_only_folder(stage: Stage, flow: Flow) -> str:
    """What the one line says that a start ends with."""
    with read_only(stage.folder):
        environ = environment(stage.url, stage.folder, stage.smtp, **flow.settings)
        server = Victim(environ, stage.folder.parent, stage.control.path, unprivileged=True)
        try:
            server.launch()
            server.wait_for_end()
            return server.said
        finally:
            server.kill()


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """By modes, which the servers of these tests have no privilege to overlook."""
    files = [path for path in folder.iterdir() if path.is_file()]
    for path in files:
        path.chmod(0o400)
    folder.chmod(0o500)
    try:
        yield
    finally:
        folder.chmod(0o700)
        for path in files:
            if path.exists():
                path.chmod(0o600)
