"""A back-up taken while people log in and out, restored: whoever was in before it still is, whoever was out is out.

The commands are those of docs/operations.md.
"""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from doorward.app import Doorward, build
from doorward.core.migrate import migrate
from doorward.settings import load
from tests.support.person import refusal
from tests.support.servers import Remote, Server, Tally, environment
from tests.support.smtp import SmtpCatcher

if TYPE_CHECKING:
    from tests.support.postgres import PostgresServer

CLIENTS = 3
SESSIONS = 24
BACK_UP_SQLITE, BACK_UP_POSTGRESQL = r"\(umask 077; doorward backup", r"\(umask 077; pg_dump"
PAGE = (Path(__file__).parents[1] / "docs" / "operations.md").read_text()


@dataclass
class Told:
    """How much of what a client was told is before a moment."""

    begun: int
    ended: int


class Client(threading.Thread):
    """Logs in again and again, and out of every other session."""

    def __init__(self, remote: Remote, email: str, done: Tally) -> None:
        super().__init__()
        self._remote = remote
        self._email = email
        self._done = done
        self._stop_soon = threading.Event()
        self.begun: list[str] = []
        self.to_end: list[str] = []
        self.ended: list[str] = []

    def run(self) -> None:
        while not self._stop_soon.is_set():
            self.begun.append(self._remote.login(self._email))
            if len(self.begun) % 2:
                token = self.begun[-1]
                self.to_end.append(token)
                assert self._remote.call("POST", "/auth/logout", token).status_code == 204
                self.ended.append(token)
            self._done.add()

    def stop(self) -> None:
        self._stop_soon.set()
        self.join()

    def told(self) -> Told:
        return Told(len(self.begun), len(self.ended))


@contextmanager
def served(url: str, folder: Path, smtp: SmtpCatcher) -> Iterator[Remote]:
    """A real server on the database, and on no other."""
    environ = environment(url, folder / "data", smtp)
    server = Server(environ, folder / "server.log").start()
    doorward: Doorward = build(load({name: value for name, value in environ.items() if name.startswith("DOORWARD_")}))
    with ExitStack() as stack:
        stack.callback(server.stop)
        stack.callback(doorward.close)
        yield stack.enter_context(closing(Remote(doorward, server.url, smtp)))


def as_the_page_says(command: str, environ: dict[str, str], backups: Path) -> None:
    """Run the page's line that begins so."""
    done = run_as_the_page_says(command, environ, backups)
    assert done.returncode == 0, done.stderr


def run_as_the_page_says(command: str, environ: dict[str, str], backups: Path) -> subprocess.CompletedProcess[str]:
    (line,) = re.findall(rf"^{command} .*$", PAGE, re.MULTILINE)
    told = line.replace("/backup/", f"{backups}/")
    return subprocess.run(["/bin/sh", "-c", told], env=environ, capture_output=True, text=True, check=False)


def with_programs(environ: dict[str, str], url: str, *folders: Path) -> dict[str, str]:
    path = os.pathsep.join([*map(str, folders), str(Path(sys.executable).parent), os.environ["PATH"]])
    return environ | {"PATH": path, "DATABASE_URL": url}


def hold(remote: Remote, clients: list[Client], before: list[Told], after: list[Told]) -> None:
    """Raises AssertionError where the restored service knows less or more than the back-up has."""
    sessions_kept = 0
    for client, start, end in zip(clients, before, after, strict=True):
        unsure = set(client.to_end)
        kept = [token for token in client.begun[: start.begun] if token not in unsure]
        sessions_kept += len(kept)
        assert {remote.call("GET", "/auth/accesstoken", token).status_code for token in kept} == {200}
        out = client.ended[: start.ended]
        # The one that was under way as the back-up ended may be in it.
        later = client.begun[end.begun + 1 :]
        for token in (*out, *later):
            assert refusal(remote.call("GET", "/auth/accesstoken", token)) == (401, "TOKEN_REVOKED")
    # Of all clients: none of them need have come as far as the others. Every other session of each is ended.
    assert sessions_kept >= (SESSIONS - CLIENTS) / 2


@contextmanager
def load_on(remote: Remote) -> Iterator[tuple[list[Client], Tally]]:
    done = Tally()
    names = [f"client-{number}@example.org" for number in range(CLIENTS)]
    for name in names:
        remote.add_user(name)
    clients = [Client(remote, name, done) for name in names]
    for client in clients:
        client.start()
    try:
        done.wait_for(SESSIONS)
        yield clients, done
    finally:
        for client in clients:
            client.stop()


def check(environ: dict[str, str]) -> None:
    """Raises AssertionError where `doorward check` finds something wrong."""
    command = [str(Path(sys.executable).with_name("doorward")), "check"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_back_up_under_load_holds_what_was_answered_before_it(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, smtp: SmtpCatcher
) -> None:
    backups = tmp_path / "backup"
    backups.mkdir()
    if kind == "sqlite":
        url = restored = f"sqlite:///{tmp_path / 'doorward.db'}"
        programs: tuple[Path, ...] = ()
        back_up, restore = BACK_UP_SQLITE, "doorward restore"
    else:
        postgres = cast("PostgresServer", request.getfixturevalue("durable_postgres"))
        url, restored = postgres.create_database("doorward"), postgres.create_database("restored")
        programs = (postgres.programs,)
        back_up, restore = BACK_UP_POSTGRESQL, "pg_restore"
    migrate(url)
    environ = environment(url, tmp_path / "data", smtp)
    with served(url, tmp_path, smtp) as remote, load_on(remote) as (clients, done):
        before = [client.told() for client in clients]
        as_the_page_says(back_up, with_programs(environ, url, *programs), backups)
        after = [client.told() for client in clients]
        done.wait_for(sum(each.begun for each in after) + SESSIONS)
    assert [each.stat().st_mode & 0o777 for each in backups.iterdir()] == [0o600]
    environ = environment(restored, tmp_path / "data", smtp)
    as_the_page_says(restore, with_programs(environ, restored, *programs), backups)
    check(environ)
    with served(restored, tmp_path, smtp) as remote:
        hold(remote, clients, before, after)
        assert remote.login("client-0@example.org")


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_back_up_that_fails_leaves_the_last_one(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, smtp: SmtpCatcher
) -> None:
    if kind == "sqlite":
        url = f"sqlite:///{tmp_path / 'away.db'}"
        programs: tuple[Path, ...] = ()
        back_up, last = BACK_UP_SQLITE, tmp_path / "doorward.db"
    else:
        postgres = cast("PostgresServer", request.getfixturevalue("postgres"))
        url, programs = postgres.url("away"), (postgres.programs,)
        back_up, last = BACK_UP_POSTGRESQL, tmp_path / "doorward.dump"
    last.write_text("the last good one")
    environ = with_programs(environment(url, tmp_path / "data", smtp), url, *programs)
    assert run_as_the_page_says(back_up, environ, tmp_path).returncode == 1
    assert last.read_text() == "the last good one"
