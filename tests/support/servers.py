"""Real server processes: `doorward serve` on a port of its own, called over HTTP."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import httpx
import psutil
import sqlalchemy as sa

from doorward.app import Doorward, build
from doorward.core.tables import throttles
from doorward.settings import load
from tests.support.clock import FakeClock
from tests.support.service import CHEAP, CODE, Service
from tests.support.smtp import SmtpCatcher

HOST = "127.0.0.1"
LOWEST_PORT, PORTS = 20_000, 12_000
"""Below those from which Linux gives one to each connection: none takes a port before its server does."""
SECRET_KEY = "a-secret-key-for-tests-of-32-signs-or-more"
WAIT_S = 30


@dataclass(frozen=True)
class MailSink:
    """A mail server that throws all away, in a process of its own."""

    port: int

    @property
    def url(self) -> str:
        return f"smtp://{HOST}:{self.port}"


@contextmanager
def mail_sink() -> Iterator[MailSink]:
    port = free_port()
    command = [sys.executable, "-m", "aiosmtpd", "--nosetuid", "--listen", f"{HOST}:{port}"]
    process = subprocess.Popen([*command, "--class", "aiosmtpd.handlers.Sink"])
    try:
        yield MailSink(port)
    finally:
        process.terminate()
        process.wait()


def environment(url: str, folder: Path, smtp: SmtpCatcher | MailSink, **settings: str) -> dict[str, str]:
    """The variables of a server with these settings, and no others of Doorward's."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("DOORWARD_")}
    given = {f"DOORWARD_{name.upper()}": value for name, value in settings.items()}
    ours = {
        "DOORWARD_DATA_DIR": str(folder),
        "DOORWARD_DATABASE_URL": url,
        "DOORWARD_SECRET_KEY": SECRET_KEY,
        "DOORWARD_SMTP_URL": smtp.url,
        "DOORWARD_PUBLIC_URL": "https://auth.example.org",
        "DOORWARD_SHUTDOWN_DELAY": "0",
    }
    return others | CHEAP | ours | given


class Server:
    """One `doorward serve`, in a process group of its own."""

    command: Sequence[str] = (sys.executable, "-m", "doorward.cli.main")

    def __init__(self, environ: dict[str, str], log: Path, host: str = HOST, workers: int = 1) -> None:
        self._environ = environ
        self._log = log
        self._host = host
        self._workers = workers
        self._process: subprocess.Popen[str] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def start(self) -> Self:
        """Start and wait until it listens. Raises RuntimeError with its log when it does not."""
        self.launch()
        return self.wait()

    def launch(self) -> None:
        self.port = self.port or free_port()
        options = ["--host", self._host, "--port", str(self.port), "--workers", str(self._workers)]
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                [*self.command, "serve", *options],
                env=self._environ,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )

    def wait(self) -> Self:
        process = self._process
        assert process is not None
        assert process.stdout is not None
        line = process.stdout.readline()
        if "listens at" not in line:
            raise RuntimeError(f"doorward serve did not start: {line}{self._log.read_text()[-2000:]}")
        return self

    def workers(self) -> set[int]:
        """The ids of the processes that serve."""
        assert self._process is not None
        return {each.pid for each in psutil.Process(self._process.pid).children()}

    def kill(self) -> None:
        """Kill the whole process group, as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def terminate(self) -> None:
        """Tell it to stop, as a service manager does, and don't wait."""
        assert self._process is not None
        self._process.terminate()

    def ended(self) -> int:
        """The exit code, once there is one. Raises subprocess.TimeoutExpired."""
        process, self._process = self._process, None
        assert process is not None
        process.communicate(timeout=WAIT_S)
        return process.returncode

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        os.killpg(process.pid, how)
        process.communicate(timeout=WAIT_S)


class Remote(Service):
    """A real server, called like the service in this process. Users are added through the database it stands on."""

    def __init__(self, doorward: Doorward, url: str, smtp: SmtpCatcher) -> None:
        super().__init__(doorward, FakeClock(), smtp)
        self._client = httpx.Client(
            base_url=url,
            timeout=WAIT_S,
            limits=httpx.Limits(max_connections=None),
            event_hooks={"response": [self.check]},
        )

    def from_address(self, address: str) -> httpx.Client:
        return self._client

    def deliver(self) -> None:
        """The server sends by itself."""

    def mailed_code(self, to: str) -> str:
        """The code in the first mail to the address that comes or has come."""
        mail = wait_for_mail(self.smtp, to)
        found = CODE.search(mail)
        assert found is not None, mail
        return found[1]

    def forget_waits(self) -> None:
        """Let mails be asked for again at once: a real server's clock can't be turned."""
        with self.doorward.env.db.write() as tx:
            tx.execute(sa.delete(throttles).where(throttles.c.key.like("%mail:%")))

    def close(self) -> None:
        self._client.close()


def wait_for_mail(smtp: SmtpCatcher, to: str) -> str:
    """The text of the first mail to the address. Raises TimeoutError."""
    seen = 0
    while True:
        mails = smtp.mails
        for mail in mails[seen:]:
            if to in mail.recipients:
                body = mail.message.get_body(("plain",))
                assert body is not None
                return str(body.get_content())
        seen = len(mails)
        smtp.wait_for(seen + 1, WAIT_S)


def wait_until(condition: Callable[[], bool]) -> None:
    """Look again and again. Raises TimeoutError."""
    deadline = time.monotonic() + WAIT_S
    pause = threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the condition did not come true")
        pause.wait(0.02)


def free_port() -> int:
    """One at which nothing listens."""
    while True:
        port = LOWEST_PORT + secrets.randbelow(PORTS)
        with suppress(OSError), socket.socket() as probe:
            probe.bind((HOST, port))
            return port


@contextmanager
def remotes(environ: dict[str, str], smtp: SmtpCatcher, folder: Path, count: int) -> Iterator[Sequence[Remote]]:
    """So many servers with the same settings, started at once."""
    with ExitStack() as stack:
        servers = [Server(environ, folder / f"server-{number}.log") for number in range(count)]
        for server in servers:
            server.launch()
            stack.callback(server.stop)
        for server in servers:
            server.wait()
        ours = {name: value for name, value in environ.items() if name.startswith("DOORWARD_")}
        doorward = build(load(ours))
        stack.callback(doorward.close)
        found = [Remote(doorward, server.url, smtp) for server in servers]
        for remote in found:
            stack.callback(remote.close)
        yield found


@contextmanager
def remote_at(environ: dict[str, str], smtp: SmtpCatcher, log: Path) -> Iterator[Remote]:
    """One server, which PYTHONPATH in the environment may make one of another release. Raises RuntimeError."""
    ours = {name: value for name, value in environ.items() if name.startswith("DOORWARD_")}
    with ExitStack() as stack:
        server = Server(environ, log)
        stack.callback(server.stop)
        server.start()
        doorward = build(load(ours))
        stack.callback(doorward.close)
        remote = Remote(doorward, server.url, smtp)
        stack.callback(remote.close)
        yield remote


def run_all(commands: Sequence[list[str]], environ: dict[str, str]) -> list[tuple[int, str]]:
    """Exit code and error output of each command, run at once."""
    processes = [subprocess.Popen(each, env=environ, stderr=subprocess.PIPE, text=True) for each in commands]
    return [
        (process.wait(WAIT_S), error) for process in processes for _, error in [process.communicate(timeout=WAIT_S)]
    ]


class Tally:
    """Counts up, and lets another thread wait for a number."""

    def __init__(self) -> None:
        self._count = 0
        self._changed = threading.Condition()

    def add(self, number: int = 1) -> None:
        with self._changed:
            self._count += number
            self._changed.notify_all()

    def wait_for(self, count: int) -> None:
        """Raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._count >= count, WAIT_S):
                raise TimeoutError(f"waited for {count}, got {self._count}")
