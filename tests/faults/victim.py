"""A real `doorward serve` that kills itself with SIGKILL at a step that the test has chosen.

The product has no hook for it: this launcher watches SQLAlchemy from outside, and gives the service the test's clock.
Processes come from a fork server that has loaded everything, so that a start takes a tenth of a second.
"""

import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil

from doorward.cli.main import main
from doorward.core.clock import SystemClock
from tests.faults.control import Control
from tests.faults.steps import is_foreground, watched
from tests.support.servers import HOST, WAIT_S, free_port, wait_until

CAPABILITIES_V3 = 0x20080522
_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(["tests.faults.victim", "doorward.app", "doorward.cli.serve", "granian.server.mp"])


class Victim:
    """One server, or one mail worker, in a process group of its own; for an unprivileged one modes count."""

    def __init__(
        self,
        environ: Mapping[str, str],
        folder: Path,
        control: Path,
        command: str = "serve",
        *,
        unprivileged: bool = False,
    ) -> None:
        self.port = free_port()
        arguments = ["serve", "--host", HOST, "--port", str(self.port)] if command == "serve" else ["worker"]
        self._log = folder / "victim.log"
        self._log.unlink(missing_ok=True)
        self._process = _forks.Process(target=_run, args=(arguments, dict(environ), self._log, control, unprivileged))

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def start(self) -> None:
        """Start and wait until it listens. Raises RuntimeError with its log when it does not."""
        self.launch()
        wait_until(lambda: "listens at" in self.said or not self.is_alive)
        if not self.is_alive:
            raise RuntimeError(f"the server did not start: {self.said}")

    def launch(self) -> None:
        self._process.start()

    @property
    def is_alive(self) -> bool:
        return self._process.is_alive()

    @property
    def said(self) -> str:
        """All that it has printed and logged."""
        return self._log.read_text() if self._log.exists() else ""

    @property
    def processes(self) -> list[psutil.Process]:
        """The one that watches over the servers, and those."""
        watching = psutil.Process(self._process.pid)
        return [watching, *watching.children(recursive=True)]

    def wait_for_end(self) -> None:
        """Wait until it has ended, by itself or by its own hand. Raises TimeoutError."""
        self._process.join(WAIT_S)
        if self._process.is_alive():
            raise TimeoutError("the server lives still")

    def kill(self) -> None:
        """Kill all that is left of it."""
        pid = self._process.pid
        if pid is None:
            return
        if self._process.is_alive():
            os.killpg(pid, signal.SIGKILL)
        self._process.join(WAIT_S)
        self._process.close()


@contextmanager
def victim(environ: Mapping[str, str], folder: Path, control: Path, *, unprivileged: bool = False) -> Iterator[Victim]:
    """A server that runs, and is gone afterwards."""
    server = Victim(environ, folder, control, unprivileged=unprivileged)
    try:
        server.start()
        yield server
    finally:
        server.kill()


def _run(arguments: list[str], environ: dict[str, str], log: Path, control_file: Path, unprivileged: bool) -> None:  # noqa: FBT001 -- by position, as a process gets it
    """In the new process: run the command until it is killed."""
    os.setsid()
    if unprivileged:
        _give_up_privileges()
    # As it is in a process that was not made by a fork server.
    multiprocessing.set_start_method("fork", force=True)
    os.environ.clear()
    os.environ.update(environ)
    _send_output_to(log)
    control = Control(control_file)

    def now_ms(_: SystemClock) -> int:
        return control.now_ms()

    def note() -> None:
        if control.step():
            os.killpg(0, signal.SIGKILL)

    SystemClock.now_ms = now_ms  # type: ignore[method-assign, assignment]
    # A worker sends its mails in the thread that it begins with.
    with watched(note, is_foreground):
        sys.exit(main(arguments))


def _give_up_privileges() -> None:
    """Let the modes of files count for root too (capset(2), with no capability left)."""
    header, none = (ctypes.c_uint32 * 2)(CAPABILITIES_V3, 0), (ctypes.c_uint32 * 6)()
    if ctypes.CDLL(None, use_errno=True).capset(header, none) != 0:
        raise OSError(ctypes.get_errno(), "capset")


def _send_output_to(log: Path) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for each in (sys.stdout, sys.stderr):
        each.flush()
        os.dup2(descriptor, each.fileno())
    os.close(descriptor)
