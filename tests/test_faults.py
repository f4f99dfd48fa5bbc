"""Faults at the steps where they matter most, each followed by an audit; `make faults` goes through all of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.clocks import HOUR_S, with_clock, with_clock_afterwards
from tests.faults.disks import limited, start_on_read_only_folder, with_full_disk, with_read_only_folder
from tests.faults.flows import FLOWS
from tests.faults.kills import Kill, kill_database, kill_server, on_postgresql, on_sqlite
from tests.faults.stage import HalfDone, Stage
from tests.faults.steps import is_foreground, watched
from tests.support.postgres import PostgresServer
from tests.support.smtp import SmtpCatcher

BY_NAME = {flow.name: flow for flow in FLOWS}
KILLED = ["second step, recovery code", "reset"]
USED_UP = ["second step, TOTP", "second step, mailed code"]


@pytest.fixture
def sqlite(tmp_path: Path, smtp: SmtpCatcher) -> Iterator[Stage]:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    with on_sqlite(folder, smtp) as stage:
        yield stage


@pytest.fixture
def postgresql(tmp_path: Path, smtp: SmtpCatcher, durable_postgres: PostgresServer) -> Iterator[Stage]:
    with on_postgresql(tmp_path, smtp, durable_postgres) as stage:
        yield stage


def steps_of(stage: Stage, name: str) -> int:
    """How many steps the flow's request takes."""
    flow, counted = BY_NAME[name], []
    ready = stage.make_ready(flow)
    with stage.service(flow) as service, watched(lambda: counted.append(1), is_foreground):
        ready.request.at(service)
    return len(counted)


def killed_around_the_commit(kill: Kill, stage: Stage, name: str) -> list[str | None]:
    """What was found after a kill before the last commit, and after it."""
    last = steps_of(stage, name)
    outcomes = [kill(stage, BY_NAME[name], step) for step in (last - 1, last)]
    return [None if outcome is None else outcome.state for outcome in outcomes]


@pytest.mark.parametrize("name", KILLED)
def test_a_server_that_is_killed_leaves_nothing_half_done(sqlite: Stage, name: str) -> None:
    assert killed_around_the_commit(kill_server, sqlite, name) == ["not done", "done"]


def test_a_postgresql_that_is_killed_leaves_nothing_half_done(postgresql: Stage) -> None:
    assert killed_around_the_commit(kill_database, postgresql, "reset") == ["not done", "done"]


def test_a_full_disk_is_a_503_that_changed_nothing(sqlite: Stage) -> None:
    assert with_full_disk(sqlite, BY_NAME["password change"], limited) == 503


def test_a_folder_that_becomes_read_only_is_told_at_the_start_and_loses_nothing(sqlite: Stage) -> None:
    assert with_read_only_folder(sqlite, BY_NAME["reset"]) in {204, 503}
    line = start_on_read_only_folder(sqlite, BY_NAME["reset"])
    assert "readonly database" in line
    assert "let the user whom Doorward runs as write" in line


def test_a_clock_that_jumps_uses_nothing_twice_and_skips_no_factor(sqlite: Stage) -> None:
    for name in USED_UP:
        with_clock(sqlite, BY_NAME[name], HOUR_S)
        with_clock(sqlite, BY_NAME[name], -HOUR_S)
        assert with_clock_afterwards(sqlite, BY_NAME[name], -HOUR_S) == 401


def test_the_audit_finds_what_was_done_by_half(sqlite: Stage) -> None:
    flow = BY_NAME["password change"]
    sqlite.reference(flow)
    ready = sqlite.make_ready(flow)
    with sqlite.service(flow) as service, service.doorward.env.db.write() as tx:
        tx.connection.exec_driver_sql("UPDATE sessions SET ended_at = created_at")
    with pytest.raises(HalfDone):
        sqlite.audit(flow, ready, None)
    with pytest.raises(AssertionError, match="told as done"):
        sqlite.audit(flow, sqlite.make_ready(flow), flow.status)
