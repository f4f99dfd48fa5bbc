"""Two servers on one PostgreSQL behind PgBouncer in transaction mode: all that two servers promise, once more."""

from collections.abc import Iterator, Sequence

import psycopg
import pytest
import sqlalchemy as sa

from doorward.core.clock import SystemClock
from doorward.core.db import Database
from doorward.core.errors import DatabaseUnavailable
from doorward.core.limits import Limits
from doorward.core.migrate import HEAD, migrate
from doorward.core.schema import current
from doorward.core.tables import users
from tests.cluster.programs import pgbouncer
from tests.support.postgres import PostgresServer
from tests.support.servers import HOST, Remote, environment, remotes
from tests.support.smtp import smtp_catcher
from tests.test_two_servers import *  # noqa: F403 -- these very tests, over another `pair`

NAME = "pooled"
CONNECTIONS = 6


@pytest.fixture(scope="module")
def pooled(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a database that was migrated through PgBouncer, as all that comes after goes through it."""
    postgres.create_database(NAME)
    with pgbouncer(postgres, tmp_path_factory.mktemp("pgbouncer"), connections=CONNECTIONS) as port:
        url = f"postgresql://postgres@{HOST}:{port}/{NAME}"
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


def test_look_ups_prepare_nothing_where_another_would_find_it(pooled: str) -> None:
    database = Database(pooled, SystemClock())
    look_up = database.prepare(sa.select(users.c.id).where(users.c.id == sa.bindparam("id")))
    for _ in range(20):
        look_up.one(id=1)
    with psycopg.connect(pooled, autocommit=True, prepare_threshold=None) as other:
        for _ in range(CONNECTIONS * 2):
            assert other.execute("SELECT count(*) FROM pg_prepared_statements").fetchone() == (0,)
    database.close()
