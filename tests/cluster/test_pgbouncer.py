"""Two servers on one PostgreSQL behind PgBouncer in transaction mode: all that two servers promise, once more."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from doorward.cli.checks_database import database_points
from doorward.cli.point import Point
from doorward.core.clock import SystemClock
from doorward.core.db import Database
from doorward.core.errors import DatabaseUnavailable
from doorward.core.limits import Limits, Prepared
from doorward.core.migrate import HEAD, migrate
from doorward.core.schema import current
from doorward.core.statements import Statement
from doorward.settings import Settings, load
from tests.cluster.programs import Pooler, pgbouncer
from tests.support.postgres import PostgresServer, postgres_server
from tests.support.servers import HOST, Remote, environment, remotes
from tests.support.smtp import smtp_catcher
from tests.support.threads import by_many
from tests.test_two_servers import *  # noqa: F403 -- these very tests, over another `pair`

NAME = "pooled"
CONNECTIONS = 6


@pytest.fixture(scope="module")
def pooled(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a database that was migrated through PgBouncer, as all that comes after goes through it."""
    postgres.create_database(NAME)
    with pgbouncer(postgres, tmp_path_factory.mktemp("pgbouncer"), connections=CONNECTIONS) as pooler:
        url = f"postgresql://postgres@{HOST}:{pooler.port}/{NAME}"
        migrate(url)
        yield url
    postgres.drop_database(NAME)


@pytest.fixture(scope="module")  # type: ignore[no-redef]  # in the place of theirs
def pair(pooled: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sequence[Remote]]:
    folder = tmp_path_factory.mktemp("pair")
    with smtp_catcher() as smtp, remotes(environment(pooled, folder, smtp), smtp, folder, 2) as found:
        yield found


def test_the_schema_came_through_it(pooled: str) -> None:
    database = Database(pooled, SystemClock())
    assert current(database).version == HEAD
    database.close()


def test_time_outs_hold_in_each_transaction_and_stay_in_none(pooled: str, postgres: PostgresServer) -> None:
    database = Database(pooled, SystemClock(), Limits(statement_s=1))
    with pytest.raises(DatabaseUnavailable), database.read() as tx:
        tx.execute(sa.text("SELECT pg_sleep(30)"))
    with psycopg.connect(pooled, autocommit=True, prepare_threshold=None) as other:
        for _ in range(CONNECTIONS * 2):
            assert other.execute("SHOW statement_timeout").fetchone() == ("0",)
    database.close()


def test_a_look_up_is_ended_at_the_server_once_the_role_says_so(pooled: str, postgres: PostgresServer) -> None:
    postgres.create_database("limited")
    url = pooled.replace(f"/{NAME}", "/limited")
    settings = load({"DOORWARD_DATABASE_URL": url, "DOORWARD_DATABASE_STATEMENT_TIMEOUT": "1"})
    before = found(settings)
    assert before.state == "warning"
    with (
        psycopg.connect(postgres.url("limited"), autocommit=True) as straight,
        psycopg.connect(pooled.replace(f"/{NAME}", "/pgbouncer"), autocommit=True) as console,
    ):
        # What it says, for this database alone.
        straight.execute(before.mend.partition(",")[0].replace(" SET ", " IN DATABASE limited SET ").encode())
        console.execute("RECONNECT limited")
    assert found(settings).state == "ok"
    with (
        closing(Database(url, SystemClock(), settings.limits)) as database,
        pytest.raises(DatabaseUnavailable, match="QueryCanceled"),
    ):
        database.reads().first(Statement(sa.select(sa.func.pg_sleep(30))), {})
    postgres.drop_database("limited")


def found(settings: Settings) -> Point:
    (point,) = [each for each in database_points(settings) if each.name == "look-ups"]
    return point


LookUp = Callable[[str], tuple[Any, ...] | None]


def look_up(database: Database, name: str) -> LookUp:
    """One of its own, that answers what is asked, and its name."""
    answer: tuple[Any, ...] = (sa.cast(sa.bindparam("asked"), sa.Text), sa.literal_column(f"'{name}'"))
    statement = Statement(sa.select(*answer))
    return lambda asked: database.reads().first(statement, {"asked": asked})


def prepared_at_all(url: str) -> list[str]:
    """What is prepared on any of the pooler's connections, each of which is held meanwhile."""
    with ExitStack() as stack:
        held = [stack.enter_context(psycopg.connect(url, prepare_threshold=None)) for _ in range(CONNECTIONS)]
        return [name for each in held for (name,) in each.execute("SELECT name FROM pg_prepared_statements")]


@pytest.mark.parametrize("prepared", ["auto", "off"])
def test_look_ups_of_many_clients_get_their_own_answers_and_prepare_nothing(pooled: str, prepared: Prepared) -> None:
    with ExitStack() as stack:
        clients = [Database(pooled, SystemClock(), Limits(prepared=prepared)) for _ in range(4)]
        for client in clients:
            stack.callback(client.close)
        names = [(client, f"{number}{which}") for number, client in enumerate(clients) for which in "ab"]
        look_ups = [(name, look_up(client, name)) for client, name in names]

        def ask(hand: int) -> list[bool]:
            asked = [(f"{hand}-{turn}", *look_ups[(hand + turn) % len(look_ups)]) for turn in range(60)]
            return [each(text) == (text, name) for text, name, each in asked]

        assert all(all(right) for right in by_many(ask))
        assert prepared_at_all(pooled) == []


def test_where_statements_are_prepared_against_better_knowledge_no_look_up_gets_anothers_answer(
    pooled: str, postgres: PostgresServer
) -> None:
    mixed = pooled.replace(f"/{NAME}", "/mixed")
    postgres.create_database("mixed")
    with (
        closing(Database(mixed, SystemClock(), Limits(prepared="on"))) as one,
        closing(Database(mixed, SystemClock(), Limits(prepared="on"))) as two,
        psycopg.connect(mixed, prepare_threshold=None) as first,
        psycopg.connect(mixed, prepare_threshold=None) as second,
    ):
        ones, twos = look_up(one, "one"), look_up(two, "two")
        assert ones("1") == ("1", "one")
        first.execute("SELECT 1")
        # Over another connection of the pooler's, as the one before is held.
        assert twos("2") == ("2", "two")
        second.execute("SELECT 1")
        first.rollback()
        # And now over that of the other client.
        assert twos("3") == ("3", "two")
        second.rollback()
    postgres.drop_database("mixed")


def url_through(pooler: Pooler) -> str:
    return f"postgresql://postgres@{HOST}:{pooler.port}/{NAME}"


class Used:
    """A process's connections, used once for each of its ways to ask, so that all wait to be used again."""

    def __init__(self, pooler: Pooler, stack: ExitStack) -> None:
        self._database = stack.enter_context(closing(Database(url_through(pooler), SystemClock())))
        self._read = look_up(self._database, "again")
        self.ask("before")

    def ask(self, text: str) -> None:
        """Raises DatabaseUnavailable."""
        assert self._read(text) == (text, "again")
        with self._database.write() as tx:
            assert tx.execute(sa.select(sa.literal(text))).scalar() == text


def test_connections_that_died_unused_cost_nothing(tmp_path: Path) -> None:
    with postgres_server() as own, ExitStack() as stack:
        own.create_database(NAME)
        with pgbouncer(own, tmp_path, connections=2) as pooler:
            used = Used(pooler, stack)
            own.kill()
            own.start()
            used.ask("the server was killed")
            # It closes what clients hold, and tells them why with an error that is none of PostgreSQL's.
            pooler.tell(f"KILL {NAME}", f"RESUME {NAME}")
            used.ask("the pooler closed them")
        with pooler.running():
            used.ask("the pooler was killed")


def test_whoever_it_refuses_is_told_of_no_database_and_let_in_later(tmp_path: Path) -> None:
    with postgres_server() as own, ExitStack() as stack:
        own.create_database(NAME)
        with pgbouncer(own, tmp_path, connections=2) as pooler:
            pooler.tell("SET max_client_conn = 1")
            with pytest.raises(DatabaseUnavailable), psycopg.connect(url_through(pooler)):
                Used(pooler, stack)
            pooler.tell("SET max_client_conn = 500")
            Used(pooler, stack)
