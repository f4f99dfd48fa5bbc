"""The migrations: which code works with each, what one of them may do, and how they wait for a lock."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory

from doorward.core.clock import SystemClock
from doorward.core.db import Database
from doorward.core.migrate import FLOOR, HEAD, Locked, alembic_config, due, history, migrate, upgrade
from doorward.core.schema import Schema
from doorward.core.tables import identifiers, users
from doorward.users.store import User, find_by_name
from tests.support.cli import Cli
from tests.support.clock import FakeClock
from tests.support.postgres import PostgresServer
from tests.support.releases import CONTRACTS, NEXT, Release, next_release, release_up_to, schema_of
from tests.support.service import EMAIL, PASSWORD, Service, running
from tests.support.smtp import SmtpCatcher

FIRST_WITH_FLOOR = "0003"
"""Code of earlier versions does not ask for the floor."""
HEAVY = 'op.add_column("users", sa.Column("nickname", sa.Text()))'


@pytest.fixture
def coming(tmp_path: Path) -> Release:
    return next_release(tmp_path)


# What each says


def test_head_and_floor_are_the_newest_migrations() -> None:
    newest = history()[-1]
    assert (newest.version, newest.floor) == (HEAD, FLOOR)


def test_each_migration_says_which_code_works_with_it() -> None:
    scripts = ScriptDirectory.from_config(alembic_config()).walk_revisions()
    for script in (each for each in scripts if each.revision > FIRST_WITH_FLOOR):
        stated = getattr(script.module, "works_from", None)
        assert stated, f'{script.path} lacks a line like works_from = "{script.down_revision}": docs/decisions/0012'
        assert FIRST_WITH_FLOOR <= stated <= script.revision


def test_the_floor_rises_with_what_goes_away_and_never_sinks(tmp_path: Path) -> None:
    expand = next_release(tmp_path)
    contract = next_release(tmp_path, expand, works_from=expand.head, steps=CONTRACTS)
    later = next_release(tmp_path, contract, steps=HEAVY)
    found = due(HEAD, later.migrations)
    floors = [(each.floor, each.is_contract) for each in found]
    assert floors == [(FLOOR, False), (expand.head, True), (expand.head, False)]
    assert [each.stops(HEAD) for each in found] == [False, True, True]
    assert not any(each.stops(expand.head) for each in found)


# What an expanding one may do


def shape(url: str) -> dict[str, Any]:
    """Whatever older code may depend on, by its name."""
    engine = sa.create_engine(url)
    found: dict[str, Any] = {}
    inspector = sa.inspect(engine)
    for table in inspector.get_table_names():
        for column in inspector.get_columns(table):
            found[f"{table}.{column['name']}"] = (str(column["type"]), column["nullable"], column["default"])
        found[f"{table} primary key"] = inspector.get_pk_constraint(table)["constrained_columns"]
        for key in inspector.get_foreign_keys(table):
            found[f"{table} foreign key {key['constrained_columns']}"] = key
        for index in inspector.get_indexes(table):
            found[f"{table} index {index['name']}"] = (index["column_names"], index["unique"])
    engine.dispose()
    return found


def what_breaks_older_code(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What went away or changed, and what is new in a table of before that an insert would have to know of."""
    tables = {name.split(".")[0] for name in before if "." in name}
    broken = [name for name, value in before.items() if after.get(name) != value and " index " not in name]
    for name, value in after.items():
        table = name.split(".")[0].split(" ")[0]
        if name in before or table not in tables:
            continue
        needs = "." in name and not value[1] and value[2] is None
        forbids = " foreign key " in name or (" index " in name and value[1])
        broken += [name] if needs or forbids else []
    return sorted(broken)


def test_one_that_older_code_works_with_only_adds(tmp_path: Path) -> None:
    url, before = f"sqlite:///{tmp_path / 'schema.db'}", dict[str, Any]()
    for migration in history():
        upgrade(url, folder=release_up_to(tmp_path, migration.version))
        after = shape(url)
        if not migration.is_contract:
            assert what_breaks_older_code(before, after) == [], migration
        before = after


@pytest.mark.parametrize(
    ("steps", "broken"),
    [
        ('op.add_column("users", sa.Column("nickname", sa.Text()))', []),
        ('op.create_index("ix_users_email_id", "users", ["email", "id"])', []),
        ('op.drop_column("users", "language")', ["users.language"]),
        ('op.alter_column("users", "language", new_column_name="tongue")', ["users.language"]),
        ('op.drop_table("kept_secrets")', ["kept_secrets primary key", "kept_secrets.name", "kept_secrets.sealed"]),
        ('op.add_column("gone", sa.Column("n", sa.Integer(), nullable=False))', ["gone.n"]),
        ('op.create_index("ix_users_language", "users", ["language"], unique=True)', ["users index ix_users_language"]),
    ],
)
def test_what_breaks_older_code_is_seen(steps: str, broken: list[str], tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'schema.db'}"
    migrate(url)
    with closing(Database(url, SystemClock())) as database, database.write() as tx:
        tx.connection.exec_driver_sql("CREATE TABLE gone (id INTEGER PRIMARY KEY)")
    before = shape(url)
    upgrade(url, folder=next_release(tmp_path, steps=steps).migrations)
    assert what_breaks_older_code(before, shape(url)) == broken


# How it is stored


def test_the_floor_stands_beside_the_version(database_url: str, coming: Release) -> None:
    assert schema_of(database_url) == Schema(HEAD, FLOOR)
    upgrade(database_url, folder=coming.migrations)
    assert schema_of(database_url) == Schema(NEXT, FLOOR)


def test_a_database_of_before_the_floor_gets_room_for_it(
    start: Callable[..., Service], database_url: str, coming: Release
) -> None:
    service = start()
    with service.doorward.env.db.write() as tx:
        for column in ("stated_for", "works_from"):
            tx.connection.exec_driver_sql(f"ALTER TABLE alembic_version DROP COLUMN {column}")
    assert schema_of(database_url) == Schema(HEAD, HEAD)
    # On a connection that has asked before, too.
    for _ in range(3):
        assert service.call("GET", "/health/ready").status_code == 200
    upgrade(database_url, folder=coming.migrations)
    for _ in range(3):
        assert service.call("GET", "/health/ready").json() == {"status": "ok", "schema": NEXT}


def test_a_floor_counts_for_the_version_that_it_was_stated_for() -> None:
    assert Schema.of(("0005", "0005", "0003")).bears("0004")
    assert not Schema.of(("0006", "0005", "0003")).bears("0004")
    assert not Schema.of(("0005", None, None)).bears("0004")
    assert not Schema.of(("0005", "0005", "0003")).bears("0006")
    assert not Schema.of(None).bears("0001")


# What one of them moves


def test_every_name_is_still_its_users_in_the_tree_of_names(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'names.db'}"
    upgrade(url, folder=release_up_to(tmp_path, "0007"))
    kept = [(f"{name}{number}", number) for number in range(1, 101) for name in ("ann", "ann@example.org")]
    with closing(Database(url, SystemClock())) as database:
        with database.write() as tx:
            of_users = "INSERT INTO users (id, username, email, created_at) VALUES (?, '', '', 0)"
            tx.connection.exec_driver_sql(of_users, [(number,) for number in range(1, 101)])
            tx.connection.exec_driver_sql("INSERT INTO identifiers (key, user_id) VALUES (?, ?)", kept)
            tx.connection.exec_driver_sql("CREATE VIEW somebody_elses AS SELECT key FROM identifiers")
        with closing(sqlite3.connect(tmp_path / "names.db")) as past_the_keys, past_the_keys:
            past_the_keys.execute("INSERT INTO identifiers (key, user_id) VALUES ('of a user who is gone', 1000)")
        # Over connections that look names up before, and after.
        assert cast("User", find_by_name(database.reads(), "ann7")).id == 7
        migrate(url)
        assert cast("User", find_by_name(database.reads(), "ann7")).id == 7
        with database.write() as tx:
            assert set(tx.execute(sa.select(identifiers))) == set(kept)
            tx.execute(sa.delete(users).where(users.c.id > 1))
            assert set(tx.execute(sa.select(identifiers))) == set(kept[:2])
        with database.write() as tx, pytest.raises(sa.exc.IntegrityError):
            tx.execute(sa.insert(identifiers).values(key="ann1", user_id=1))


# Locks


@pytest.fixture
def old_postgresql(postgres: PostgresServer) -> Iterator[str]:
    name = "locked"
    yield postgres.create_database(name)
    postgres.drop_database(name)


def test_a_migration_lets_everybody_pass_while_a_long_transaction_holds_its_table(
    old_postgresql: str, tmp_path: Path, clock: FakeClock, smtp: SmtpCatcher, coming: Release
) -> None:
    migrate(old_postgresql)
    over, answers, tries = threading.Event(), [], []
    with (
        running(
            old_postgresql, tmp_path, clock, smtp, database_lock_timeout="10", database_statement_timeout="20"
        ) as service,
        psycopg.connect(old_postgresql) as long,
    ):
        service.add_user()
        long.execute("SELECT count(*) FROM users")

        def go_on() -> None:
            while not over.is_set():
                body = {"username": EMAIL, "password": PASSWORD}
                answers.append(service.call("POST", "/auth/login", json=body).status_code)

        def between(left: int) -> None:
            tries.append(left)
            # Nothing of the migration is left in anybody's way.
            assert service.access(service.login())
            assert schema_of(old_postgresql).version == HEAD
            if len(tries) == 3:
                long.commit()

        other = threading.Thread(target=go_on)
        other.start()
        try:
            upgrade(old_postgresql, between, coming.migrations)
        finally:
            over.set()
            other.join()
        assert len(tries) == 3
        assert schema_of(old_postgresql).version == NEXT
        assert service.login()
    assert set(answers) == {200}


def test_a_lock_that_is_never_free_ends_the_migration_with_a_line(
    old_postgresql: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    upgrade(old_postgresql, folder=release_up_to(tmp_path, "0001"))
    monkeypatch.setattr("doorward.core.migrate.TRIES", 2)
    monkeypatch.setattr("doorward.cli.migrate.PAUSE_S", 0)
    cli = Cli(old_postgresql, tmp_path, monkeypatch, capfd)
    with psycopg.connect(old_postgresql) as long:
        long.execute("SELECT count(*) FROM users")
        done = cli.run("migrate")
        first, last = done.err.splitlines()
        assert done.code == 1
        assert "tried 1 more times" in first
        assert "the migration to 0003 needs a lock" in last
        # What did not need the lock is done, and stays.
        assert schema_of(old_postgresql).version == "0002"
        with pytest.raises(Locked):
            migrate(old_postgresql, lambda _left: None)
    assert "it was 0002" in cli.must("migrate")
