"""SIGTERM: readiness goes first, requests in flight are finished, then the server ends."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from ctypes import c_bool
from pathlib import Path
from queue import Queue

import httpx
import psycopg
import pytest

from doorward.cli.serve import Once
from doorward.cli.signals import end_at_once_as_pid_1
from doorward.cli.stopping import OneProcess, leave
from tests.support.databases import copied_postgresql
from tests.support.postgres import PostgresServer
from tests.support.servers import Server, environment, wait_until
from tests.support.service import EMAIL, PASSWORD
from tests.support.smtp import SmtpCatcher

WAITS = 30


@pytest.fixture
def environ(tmp_path: Path, smtp: SmtpCatcher) -> dict[str, str]:
    return environment("", tmp_path, smtp)


@pytest.fixture
def workers() -> int:
    return 1


@pytest.fixture
def server(environ: dict[str, str], tmp_path: Path, workers: int) -> Iterator[Server]:
    server = Server(environ, tmp_path / "server.log", workers=workers)
    yield server
    server.kill()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_request_in_flight_is_finished(
    postgres: PostgresServer, postgresql_template: str, environ: dict[str, str], server: Server
) -> None:
    with (
        copied_postgresql(postgres, postgresql_template) as url,
        psycopg.connect(url) as other,
        ThreadPoolExecutor(1) as pool,
    ):
        environ |= {"DOORWARD_DATABASE_URL": url, "DOORWARD_DATABASE_STATEMENT_TIMEOUT": "60"}
        environ |= {"DOORWARD_DATABASE_LOCK_TIMEOUT": "60"}
        server.start()
        other.execute("LOCK TABLE throttles")
        path = f"{server.url}/user/password/reset/send"
        answer = pool.submit(httpx.post, path, json={"email": EMAIL}, timeout=WAITS)
        wait_until(lambda: somebody_waits(other))
        server.terminate()
        wait_until(lambda: is_closed(server))
        assert not answer.done()
        other.rollback()
        assert answer.result(WAITS).status_code == 204
        assert server.ended() == 0


def somebody_waits(other: psycopg.Connection) -> bool:
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    return other.execute(waiting).fetchone() == (1,)


def is_closed(server: Server) -> bool:
    try:
        httpx.get(f"{server.url}/health/live")
    except httpx.TransportError:
        return True
    return False


def test_readiness_goes_first_and_requests_are_still_taken(environ: dict[str, str], server: Server) -> None:
    environ["DOORWARD_SHUTDOWN_DELAY"] = "600"
    server.start()
    with httpx.Client(base_url=server.url) as client:
        assert client.get("/health/ready").headers.get("connection") is None
        server.terminate()
        wait_until(lambda: client.get("/health/ready").json() == {"status": "stopping"})
        assert client.get("/health/ready").status_code == 503
        answer = client.post("/auth/login", json={"username": EMAIL, "password": PASSWORD})
        assert answer.status_code == 401
        # A proxy is not to use this connection once more.
        assert answer.headers["connection"] == "close"
        assert client.get("/health/live").status_code == 200
    # Who can't wait says so a second time.
    server.terminate()
    assert server.ended() == 0


def one_process(*, is_serving: bool = True) -> OneProcess:
    return OneProcess(
        "doorward", in_flight_s=1, close=bool, stopping=c_bool(), is_serving=lambda: is_serving, delay_s=600
    )


@contextmanager
def own_signals() -> Iterator[ThreadPoolExecutor]:
    """Where a test's handlers are forgotten; with a thread that signals come to, as the main thread is in a test."""
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        with ThreadPoolExecutor(1) as pool:
            yield pool
    finally:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, before)


def terminate_this_thread() -> None:
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)


@pytest.mark.parametrize(("is_serving", "signals"), [(True, 2), (False, 1)])
def test_a_signal_is_heard_whichever_thread_it_comes_to(*, is_serving: bool, signals: int) -> None:
    server = one_process(is_serving=is_serving)
    with own_signals() as pool:
        signal.signal(signal.SIGTERM, server.signal_handler_interrupt)
        server.listen_to_signals()
        for _ in range(signals):
            # The main thread sleeps, and a handler in Python would wait for it.
            pool.submit(terminate_this_thread)
        assert server.main_loop_interrupt.wait(WAITS)


TOLD_TWICE = """
import os, signal
from granian._signals import set_sync_signals
from doorward.cli.stopping import leave_when_told

leave_when_told(600, bool)
set_sync_signals()
os.kill(os.getpid(), signal.SIGTERM)
os.kill(os.getpid(), signal.SIGTERM)
"""


def test_a_server_process_that_is_told_twice_stops_once() -> None:
    # By a service manager that tells all, and by the process that watches over it.
    done = subprocess.run([sys.executable, "-c", TOLD_TWICE], timeout=WAITS, check=False)
    assert done.returncode == 0


def test_as_pid_1_a_command_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: Queue[int] = Queue()
    monkeypatch.setattr("os.getpid", lambda: 1)
    monkeypatch.setattr("os._exit", ended.put)
    with own_signals() as pool:
        end_at_once_as_pid_1()
        pool.submit(terminate_this_thread)
        # It does not wait for the main thread, which may be in a library.
        assert ended.get(timeout=WAITS) == 143


def test_a_hangup_changes_nothing() -> None:
    server = one_process()
    server.signal_handler_reload(signal.SIGHUP, None)
    assert not server.reload_signal
    assert not server.main_loop_interrupt.is_set()


def test_who_hangs_on_keeps_no_mail_from_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[object] = []
    left = threading.Event()

    def end(exit_code: int) -> None:
        ended.append(exit_code)
        left.set()

    def close() -> None:
        if not left.wait(0.2):
            ended.append("mail")

    monkeypatch.setattr("os._exit", end)
    leave(close)
    assert ended == ["mail", 0]


def test_who_asks_for_the_end_a_second_time_waits_for_the_first() -> None:
    begun, go_on = threading.Event(), threading.Event()
    done: list[str] = []

    def close() -> None:
        begun.set()
        go_on.wait(WAITS)
        done.append("mail")

    once = Once(close)
    with ThreadPoolExecutor(2) as pool:
        pool.submit(once)
        begun.wait(WAITS)
        second = pool.submit(once)
        second.add_done_callback(lambda _: done.append("second"))
        go_on.set()
    assert done == ["mail", "second"]
