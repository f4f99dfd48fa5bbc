"""What the service stands on fails while a request is answered: the disk, the mail server, the clock, a worker."""

import os
import resource
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

import sqlalchemy as sa

from doorward.core.clock import MINUTE, SECOND
from doorward.core.tables import outbox
from doorward.mail.outbox import NEVER, send_again
from doorward.mail.worker import CLAIM
from tests.faults.flows import FLOWS, MINUTE_S, Flow
from tests.faults.stage import Outcome, Stage, ask, let_mails_be_tried
from tests.faults.victim import Victim
from tests.support.servers import environment, wait_until
from tests.support.service import Service
from tests.support.smtp import SmtpCatcher

HOUR_S = 60 * MINUTE_S
RESET_MAIL = next(flow for flow in FLOWS if flow.name == "reset, mail")

# The mail server


def with_mail_server(stage: Stage, flow: Flow, misbehave: Callable[[SmtpCatcher], None]) -> int:
    """The mail server misbehaves while the flow's mails are to be sent; gives how many came, each of them once."""
    impatient = replace(flow, settings={**flow.settings, "smtp_timeout": "1"})
    ready = stage.make_ready(impatient)
    with stage.service(impatient) as service:
        _begin_anew(stage, service)
        misbehave(stage.smtp)
        answer = ready.request.at(service)
        assert answer.status_code == flow.status, answer.text
        written = _waiting(service)
        service.deliver()
        stage.smtp.accept()
        _try_again(service)
        service.deliver()
        assert _waiting(service) == 0
        came = Counter(mail.message["Message-ID"] for mail in stage.smtp.mails)
        assert sorted(came.values()) == [1] * written, came
        ready.person.service = service
        ready.holds()
    return written


def _begin_anew(stage: Stage, service: Service) -> None:
    """No mail waits, and none has come."""
    with service.doorward.env.db.write() as tx:
        tx.execute(sa.delete(outbox))
    stage.smtp.clear()


def _waiting(service: Service) -> int:
    with service.doorward.env.db.read() as tx:
        return int(tx.execute(sa.select(sa.func.count()).select_from(outbox)).scalar_one())


def _try_again(service: Service) -> None:
    """Let time pass for the mails that wait, and the administrator bring back those that were given up."""
    let_mails_be_tried(service.doorward.env)
    with service.doorward.env.db.write() as tx:
        for mail_id in tx.execute(sa.select(outbox.c.id).where(outbox.c.next_attempt_at == NEVER)).scalars().all():
            assert send_again(tx, mail_id)


def kill_worker(stage: Stage, step: int) -> Outcome | None:
    """Kill `doorward worker` at a step, from its start on; None when it has sent the mail before."""
    ready = stage.make_ready(RESET_MAIL)
    with stage.service(RESET_MAIL) as service:
        _begin_anew(stage, service)
        assert ready.request.at(service).status_code == RESET_MAIL.status
        stage.control.arm(step)
        worker = Victim(
            environment(stage.url, stage.folder, stage.smtp), stage.folder, stage.control.path, command="worker"
        )
        try:
            worker.launch()
            wait_until(lambda: not worker.is_alive or _waiting(service) == 0)
            if _waiting(service):
                worker.wait_for_end()
        finally:
            worker.kill()
        came = not stage.control.is_armed
        stage.control.disarm()
        sent_before = len(stage.smtp.mails)
        # Its claim runs out.
        stage.control.advance((CLAIM + MINUTE) / SECOND)
        service.deliver()
        assert _waiting(service) == 0
        assert 1 <= len(stage.smtp.mails) <= 2
        assert len({mail.message["Message-ID"] for mail in stage.smtp.mails}) == 1
        ready.person.service = service
        ready.holds()
    return Outcome(len(stage.smtp.mails), "done" if sent_before else "not done") if came else None


# The clock


def with_clock(stage: Stage, flow: Flow, seconds: int) -> str:
    """The clock jumps before the request, and is put right after it; gives what was answered meanwhile."""
    ready = stage.make_ready(flow)
    with stage.service(flow) as service:
        ready.person.service = service
        stage.control.advance(seconds)
        answer = ready.request.at(service)
        done = answer.status_code == flow.status
        if done and flow.soon:
            ready.holds()
        stage.control.advance(-seconds)
        if not done:
            assert answer.status_code in {401, 429}, answer.text
            again = ready.request.at(service)
            assert again.status_code == flow.status, again.text
        if not (done and flow.soon):
            let_mails_be_tried(service.doorward.env)
            ready.holds()
    return str(answer.status_code) if done else f"{answer.status_code} {answer.json()['message']}"


def with_clock_afterwards(stage: Stage, flow: Flow, seconds: int) -> int:
    """The clock jumps after the answer: what was used up stays so. Gives what the same request is answered then."""
    ready = stage.make_ready(flow)
    with stage.service(flow) as service:
        ready.person.service = service
        assert ready.request.at(service).status_code == flow.status
        stage.control.advance(seconds)
        answer = ready.request.at(service)
        stage.control.advance(-seconds)
        if flow.once:
            assert answer.status_code in {401, 409, 429}, answer.text
        else:
            assert answer.status_code in {flow.status, 401, 429}, answer.text
    return answer.status_code


# The disk


def with_full_disk(
    stage: Stage, flow: Flow, full: Callable[[Stage, Victim], AbstractContextManager[None]]
) -> int | None:
    """No byte can be written while the request is answered; the same server then answers it, if it did not before."""
    stage.reference(flow)
    ready = stage.make_ready(flow)
    with stage.server(flow) as server:
        with full(stage, server):
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


def with_read_only_folder(stage: Stage, flow: Flow) -> int | None:
    """The data folder and the files in it become read-only once the server runs; they are put right afterwards."""
    stage.reference(flow)
    ready = stage.make_ready(flow)
    with stage.server(flow, unprivileged=True) as server:
        with read_only(stage.folder):
            status = ask(ready, server.url)
        assert status in {503, flow.status}, server.said
        after = status if status == flow.status else ask(ready, server.url)
        assert after == flow.status, server.said
    stage.audit(flow, ready, after)
    return status


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
