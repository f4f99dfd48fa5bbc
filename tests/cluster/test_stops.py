"""SIGTERM under load, as PID 1 of a container, with one process and with several; and a mail on its way at the end."""

import os
import socket
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest

from doorward.app import build
from doorward.settings import load
from tests.support.clock import FakeClock
from tests.support.databases import copied_postgresql
from tests.support.postgres import PostgresServer
from tests.support.servers import HOST, WAIT_S, Server, Tally, environment, wait_until
from tests.support.service import EMAIL, Service
from tests.support.smtp import SmtpCatcher

AS_ROOT = () if os.geteuid() == 0 else ("--user", "--map-current-user")
HURRIED = "from doorward.cli import main, serve; serve.IN_FLIGHT_S = 1; raise SystemExit(main.main())"
"""A server with less patience for requests in flight than its mail server has with mails."""
SMTP_TIMEOUT_S = 4
HANGING = 3
"""Requests a process, so that each has one, and connections to the database are left."""
COUNT = 4
SETTLED = 100
RESET = "/user/password/reset/send"


class Contained(Server):
    """One that is PID 1, as in a container: the kernel gives it no signal that it does not handle."""

    command = ("unshare", *AS_ROOT, "--pid", "--fork", "--mount-proc", "--kill-child", *Server.command)

    def terminate(self) -> None:
        assert self._process is not None
        [first] = psutil.Process(self._process.pid).children()
        first.terminate()


class Hurried(Server):
    command = (sys.executable, "-c", HURRIED)


class Clients:
    """Clients that ask without a pause, each over a connection of its own, until nobody answers."""

    def __init__(self, url: str) -> None:
        self.told: Counter[int] = Counter()
        self.done = Tally()
        self._url = url
        self._threads = [threading.Thread(target=self._run) for _ in range(COUNT)]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        for thread in self._threads:
            thread.join(WAIT_S)
            assert not thread.is_alive()

    def _run(self) -> None:
        with httpx.Client(base_url=self._url, timeout=WAIT_S) as client:
            while True:
                try:
                    self.told[client.get("/.well-known/jwks.json").status_code] += 1
                except httpx.TransportError:
                    return
                self.done.add()


@pytest.fixture
def environ(
    postgres: PostgresServer, postgresql_template: str, tmp_path: Path, smtp: SmtpCatcher
) -> Iterator[dict[str, str]]:
    patient = {"database_statement_timeout": "60", "database_lock_timeout": "60", "smtp_timeout": str(SMTP_TIMEOUT_S)}
    with copied_postgresql(postgres, postgresql_template) as url:
        yield environment(url, tmp_path, smtp, **patient)


def add_user(environ: dict[str, str], smtp: SmtpCatcher) -> None:
    ours = {name: value for name, value in environ.items() if name.startswith("DOORWARD_")}
    with closing(build(load(ours))) as doorward:
        Service(doorward, FakeClock(), smtp).add_user(EMAIL)


@contextmanager
def started(server: Server) -> Iterator[Server]:
    try:
        yield server.start()
    finally:
        server.kill()


@contextmanager
def in_flight(server: Server, database: str, requests: int) -> Iterator[tuple[psycopg.Connection, list[object]]]:
    """So many requests that wait for a lock until the connection is rolled back; their outcomes once it is over."""
    outcomes: list[object] = []

    def ask(number: int) -> None:
        try:
            body = {"email": f"nobody{number}@example.org"}
            outcomes.append(httpx.post(server.url + RESET, json=body, timeout=WAIT_S * 2).status_code)
        except httpx.TransportError as error:
            outcomes.append(error)

    with (
        psycopg.connect(database) as other,
        # Within a transaction, who waits is as it was at the first look.
        psycopg.connect(database, autocommit=True) as looking,
        ThreadPoolExecutor(requests) as pool,
    ):
        other.execute("LOCK TABLE throttles")
        for number in range(requests):
            pool.submit(ask, number)
        waiting = "SELECT count(*) >= %s FROM pg_locks WHERE NOT granted AND relation = 'throttles'::regclass"
        wait_until(lambda: looking.execute(waiting, [requests]).fetchone() == (True,))
        try:
            yield other, outcomes
        finally:
            other.rollback()


@pytest.mark.parametrize("workers", [1, 2])
def test_as_pid_1_it_ends_under_load_and_answers_what_is_in_flight(
    environ: dict[str, str], tmp_path: Path, workers: int
) -> None:
    with (
        started(Contained(environ, tmp_path / "server.log", workers=workers)) as server,
        in_flight(server, environ["DOORWARD_DATABASE_URL"], 2) as (other, outcomes),
    ):
        clients = Clients(server.url)
        clients.done.wait_for(SETTLED)
        server.terminate()
        clients.end()
        other.rollback()
        assert server.ended() == 0
    assert outcomes == [204, 204]
    assert set(clients.told) == {200}


@pytest.mark.parametrize(("workers", "exit_code"), [(1, 143), (2, 0)])
def test_as_pid_1_it_ends_before_it_listens(workers: int, exit_code: int, tmp_path: Path, smtp: SmtpCatcher) -> None:
    # Whoever takes no connection holds the start up, and says so by nothing.
    with socket.create_server((HOST, 0)) as silent:
        patient = {"database_connect_timeout": "600", "shutdown_delay": "600"}
        url = f"postgresql://doorward@{HOST}:{silent.getsockname()[1]}/doorward"
        server = Contained(environment(url, tmp_path, smtp, **patient), tmp_path / "server.log", workers=workers)
        try:
            server.launch()
            held, _ = silent.accept()
            with held:
                server.terminate()
                assert server.ended() == exit_code
        finally:
            server.kill()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_mail_on_its_way_comes_to_its_end_beside_a_request_that_hangs(
    environ: dict[str, str], tmp_path: Path, workers: int, smtp: SmtpCatcher
) -> None:
    database = environ["DOORWARD_DATABASE_URL"]
    add_user(environ, smtp)
    # The mail is taken over, and whoever sends it is left without a farewell.
    smtp.hang("QUIT")
    with started(Hurried(environ, tmp_path / "server.log", workers=workers)) as server:
        httpx.post(server.url + RESET, json={"email": EMAIL}, timeout=WAIT_S)
        with in_flight(server, database, HANGING * workers) as (_, outcomes):
            smtp.wait_for_hanging(WAIT_S)
            server.terminate()
            assert server.ended() == 0
    assert all(isinstance(each, httpx.TransportError) for each in outcomes)
    with psycopg.connect(database) as after:
        assert after.execute("SELECT count(*) FROM outbox").fetchone() == (0,)
