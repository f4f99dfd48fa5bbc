"""A new database: made in one go, whole or not at all, and just what the migrations make one after the other."""

import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from doorward.core.clock import SystemClock
from doorward.core.db import Database
from doorward.core.migrate import FLOOR, HEAD, TRIES, TURN, Occupied, migrate, upgrade
from doorward.core.schema import Schema, make_room
from tests.support.cli import Cli
from tests.support.postgres import PostgresServer
from tests.support.releases import release_up_to, schema_of

OLD = "0003"
FORGOTTEN = (
    "ALTER TABLE users ADD COLUMN nickname TEXT",
    "ALTER TABLE outbox ADD COLUMN weight INTEGER DEFAULT 1 NOT NULL",
    "CREATE INDEX ix_users_email_id ON users (email, id)",
    "CREATE TABLE gadgets (id INTEGER, CONSTRAINT ck_gadgets CHECK (id > 0))",
    "CREATE VIEW people AS SELECT id FROM users",
    "INSERT INTO kept_secrets (name, sealed) VALUES ('a', 'b')",
    "UPDATE alembic_version SET works_from = '0002'",
)
"""What a migration may do and the tables not have, or the other way round."""
ENTRY = re.compile(r",(?![^()]*\))")
CONSTRAINTS = ("CONSTRAINT ", "PRIMARY KEY", "FOREIGN KEY", "UNIQUE", "CHECK")
KILLED = """
import os, signal, sys
from sqlalchemy import event
from doorward.core.migrate import migrate
from doorward.core.tables import metadata
event.listen(metadata.sorted_tables[8], "after_create", lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
migrate(sys.argv[1])
"""
MADE = "import sys; from doorward.core.migrate import migrate; migrate(sys.argv[1]); print('alembic' in sys.modules)"


@dataclass
class Databases:
    """Empty ones of a kind, and what one of them has in it, by its own word."""

    folder: Path
    server: PostgresServer | None
    made: int = 0

    def new(self) -> str:
        self.made += 1
        name = f"new_{self.made}"
        return f"sqlite:///{self.folder / name}.db" if self.server is None else self.server.create_database(name)

    def told_by(self, url: str) -> list[str]:
        """Everything in it, rows too."""
        if self.server is None:
            return told_by_sqlite(Path(url.removeprefix("sqlite:///")))
        # The dump is fenced by a random word in two lines that begin like this.
        return [line for line in self.server.run("pg_dump", url).splitlines() if not line.startswith("\\")]

    def drop(self) -> None:
        if self.server is not None:
            for number in range(self.made):
                self.server.drop_database(f"new_{number + 1}")


@pytest.fixture(params=["sqlite", "postgresql"])
def databases(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Databases]:
    found = Databases(tmp_path, request.getfixturevalue("postgres") if request.param == "postgresql" else None)
    yield found
    found.drop()


def told_by_sqlite(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        texts = connection.execute("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
        told = [as_if_made_at_once(sql) for _, _, sql in texts]
        for kind, name, _ in texts:
            told += [f"{name}: {row}" for row in connection.execute(f"SELECT * FROM {name}")] if kind == "table" else []
    return sorted(told)


def as_if_made_at_once(sql: str) -> str:
    """With the constraints behind all columns: SQLite writes a column that is added later behind the constraints."""
    head, _, rest = sql.partition("(")
    body, _, tail = rest.rpartition(")")
    entries = [" ".join(each.split()) for each in ENTRY.split(body)]
    entries.sort(key=lambda each: each if each.startswith(CONSTRAINTS) else "")
    return f"{head.strip()} ({', '.join(entries)}){tail}"


def tables_in(url: str) -> list[str]:
    with closing(Database(url, SystemClock())) as database, database.read() as tx:
        return sa.inspect(tx.connection).get_table_names()


def execute(url: str, sql: str) -> None:
    with closing(Database(url, SystemClock())) as database, database.write() as tx:
        tx.execute(sa.text(sql))


def test_it_has_what_the_migrations_make(databases: Databases, tmp_path: Path) -> None:
    """Whoever writes a migration changes the tables, HEAD and FLOOR with it: docs/decisions/0019."""
    new, old = databases.new(), databases.new()
    migrate(new)
    upgrade(old, folder=release_up_to(tmp_path, OLD))
    assert schema_of(old).version == OLD
    migrate(old)
    assert databases.told_by(new) == databases.told_by(old)
    assert schema_of(new) == Schema(HEAD, FLOOR)
    # Once more, it changes nothing.
    migrate(new)
    assert databases.told_by(new) == databases.told_by(old)


def test_what_one_side_forgets_is_seen(databases: Databases) -> None:
    url = databases.new()
    migrate(url)
    told = [databases.told_by(url)]
    for sql in FORGOTTEN:
        execute(url, sql)
        told.append(databases.told_by(url))
        assert told[-1] != told[-2], sql


def test_a_start_that_is_killed_leaves_nothing_and_the_next_one_works(databases: Databases) -> None:
    url = databases.new()
    killed = subprocess.run([sys.executable, "-c", KILLED, url], capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert tables_in(url) == []
    made = subprocess.run([sys.executable, "-c", MADE, url], capture_output=True, text=True, check=True)
    assert made.stdout == "False\n", "a new database takes no Alembic, whose import takes longer than all else"
    assert schema_of(url) == Schema(HEAD, FLOOR)


def test_what_a_killed_start_of_an_earlier_release_left_is_no_schema(databases: Databases) -> None:
    url = databases.new()
    with closing(Database(url, SystemClock())) as database, database.write() as tx:
        make_room(tx)
    migrate(url)
    assert schema_of(url) == Schema(HEAD, FLOOR)


def test_tables_of_somebody_else_stay_as_they_are(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    url = databases.new()
    cli = Cli(url, tmp_path, monkeypatch, capfd)
    for sql in ("CREATE TABLE users (name TEXT)", "CREATE TABLE notes (note TEXT)", "INSERT INTO users VALUES ('Ann')"):
        execute(url, sql)
    before = databases.told_by(url)
    assert "somebody else's (users): give Doorward a database of its own" in cli.fails("migrate")
    if url.startswith("sqlite"):
        # Here a start would make the schema.
        assert "somebody else's (users)" in cli.fails("users", "create", "ann@example.org")
    assert databases.told_by(url) == before
    # Beside tables of other names there is room, but a view has a name as well.
    execute(url, "ALTER TABLE users RENAME TO people")
    execute(url, "CREATE VIEW users AS SELECT name FROM people")
    assert "somebody else's (users)" in cli.fails("migrate")
    execute(url, "DROP VIEW users")
    cli.must("migrate")
    assert schema_of(url) == Schema(HEAD, FLOOR)


def test_the_versions_of_another_program_stay_as_they_are(databases: Databases) -> None:
    url = databases.new()
    execute(url, "CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)")
    execute(url, "INSERT INTO alembic_version VALUES ('0001_initial')")
    before = databases.told_by(url)
    with pytest.raises(Occupied, match="alembic_version"):
        migrate(url)
    assert databases.told_by(url) == before


def test_it_waits_for_another_that_makes_it(postgres: PostgresServer) -> None:
    url, tries = postgres.create_database("awaited"), []
    with psycopg.connect(url) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s)", [TURN])

        def between(left: int) -> None:
            tries.append(left)
            assert schema_of(url) == Schema()
            other.commit()

        migrate(url, between)
    assert tries == [TRIES - 1]
    assert schema_of(url).version == HEAD
    postgres.drop_database("awaited")
