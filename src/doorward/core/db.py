"""The database: one for all state, SQLite or PostgreSQL from the same code.

Reads see what is committed. A write is one transaction with one `now`; on SQLite it takes the write lock at once
(`BEGIN IMMEDIATE`), so that a transaction that begins by reading can't fail as it comes to write.

Whatever keeps the database from serving (it is gone, full, read-only, too slow, in a deadlock) is DatabaseUnavailable.
What was begun is then undone or, when the connection broke at the commit, unknown: nobody was told that it is done.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import sqlalchemy as sa
from sqlalchemy.engine import Connection, CursorResult, Engine

from doorward.core import driver, sqlite, sqlstates
from doorward.core.clock import Clock
from doorward.core.errors import DatabaseUnavailable
from doorward.core.limits import Limits
from doorward.core.statements import Statement, insert_into

if TYPE_CHECKING:
    from sqlalchemy.dialects.postgresql import Insert

    from doorward.core.postgresql import Link

PROBE = Limits(pool=1, wait_s=2, connect_s=2, statement_s=2, lock_s=1)
"""For a question whose answer is only of use when it comes soon: whether the database is there."""


@dataclass(frozen=True)
class Tx:
    """A transaction: its connection and the one time at which all of it happens."""

    connection: Connection
    now: int

    def first(self, statement: Statement, values: Mapping[str, Any]) -> tuple[Any, ...] | None:
        """Run it; the first row of the answer, or None."""
        found = self.rows(statement, values)
        return found[0] if found else None

    def rows(self, statement: Statement, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Run it; the answer."""
        sql, given = statement.for_driver(self.connection.dialect, values)
        return driver.rows(self.connection.connection.dbapi_connection, sql, given)

    def execute(self, statement: sa.Executable, values: Any = None) -> CursorResult[Any]:
        return cast("CursorResult[Any]", self.connection.execute(statement, values))

    def row(self, statement: sa.Executable, values: Any = None) -> sa.Row[Any] | None:
        """The one row of the answer, or None."""
        return self.connection.execute(statement, values).one_or_none()

    def changed(self, statement: sa.Executable, values: Any = None) -> bool:
        """True when the statement changed a row: how a compare-and-set tells that it won."""
        counted = self.connection.execute(statement, values, execution_options={"preserve_rowcount": True})
        return counted.rowcount > 0

    def wait_for_turn(self, number: int) -> None:
        """Hold back every other transaction that comes to this line with the same number, until this one ends."""
        if self.dialect != "sqlite":  # there, writes come one after another anyway
            self.execute(sa.select(sa.func.pg_advisory_xact_lock(number)))

    def sort_by_indexes(self) -> None:
        """Take what is asked for in an order from an index that has it, whatever the statistics say."""
        if self.dialect != "sqlite":  # there, nobody gathers statistics
            self.execute(sa.text("SET LOCAL enable_sort = off"))

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self.connection.dialect.name

    def insert(self, table: sa.Table) -> "Insert":
        """An insert that can say what to do `on_conflict`."""
        return insert_into(table, self.dialect)


class Reads:
    """Reads at one time, each of which sees what is committed by then: no transaction is around them."""

    __slots__ = ("_pool", "now")

    def __init__(self, pool: driver.DriverPool, now: int) -> None:
        self._pool = pool
        self.now = now

    def first(self, statement: Statement, values: Mapping[str, Any]) -> tuple[Any, ...] | None:
        """The first row of the answer, or None. Raises DatabaseUnavailable."""
        found = self._pool.rows(statement, values)
        return found[0] if found else None

    def rows(self, statement: Statement, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """The answer. Raises DatabaseUnavailable."""
        return self._pool.rows(statement, values)


Reader = Tx | Reads
"""Where a read is made that may be in a transaction, and need not."""


class Database:
    """Connections to one database, as many and as patient as `limits` say."""

    def __init__(self, url: str, clock: Clock, limits: Limits | None = None) -> None:
        limits = limits or Limits()
        self.is_sqlite = url.startswith("sqlite:")
        self._clock = clock
        self.engine = _engine(url, limits)
        self._writing = threading.Lock()
        self._hot = driver.DriverPool(url, self.engine.dialect, limits)
        self._probes = driver.DriverPool(url, self.engine.dialect, PROBE)

    @contextmanager
    def read(self) -> Iterator[Tx]:
        """Reads in one transaction. Raises DatabaseUnavailable."""
        with self._unavailable(), self._begun() as connection:
            yield Tx(connection, self._clock.now_ms())

    @contextmanager
    def write(self) -> Iterator[Tx]:
        """A transaction: commits at the end of the block, undone by an exception. Raises DatabaseUnavailable.

        One in which a statement failed and the block took no notice is never taken for done: see `commit` of either
        kind of connection.
        """
        if not self.is_sqlite:
            with self._unavailable(), self._begun() as connection:
                yield Tx(connection, self._clock.now_ms())
                connection.commit()
            return
        # Threads wait here in turn: SQLite's own waiting for its one writer polls, and starves some.
        with self._writing, self._unavailable(), self._begun(writes=True) as connection:
            yield Tx(connection, self._clock.now_ms())
            connection.commit()

    def reads(self) -> Reads:
        """Reads that need not see one moment."""
        return Reads(self._hot, self._clock.now_ms())

    def probes(self) -> Reads:
        """As `reads`, but they fail after two seconds and wait for no other."""
        return Reads(self._probes, self._clock.now_ms())

    def connections_in_use(self) -> dict[str, tuple[int, int]]:
        """How many are in use, and how many may be, for transactions and for reads of the hot path."""
        pool = cast("sa.QueuePool", self.engine.pool)
        return {"transactions": (pool.checkedout(), pool.size()), "hot": (self._hot.in_use, self._hot.limit)}

    def close(self) -> None:
        self._hot.close()
        self._probes.close()
        self.engine.dispose()

    @contextmanager
    def _begun(self, *, writes: bool = False) -> Iterator[Connection]:
        """A connection in a transaction, which ends undone unless it was committed."""
        connection, pool = self._begin(writes=writes)
        try:
            yield connection
        finally:
            connection.close()
            if pool is not self.engine.pool:
                # It was lent before all were forgotten, and has come back where nobody looks any more.
                pool.dispose()

    def _begin(self, *, writes: bool) -> tuple[Connection, sa.Pool]:
        pool = self.engine.pool
        try:
            return self._begin_once(writes=writes), pool
        except self._driver_error as error:
            if self.is_sqlite or not sqlstates.is_stale(error):
                raise
        # It may have died in the pool, and its fellows with it, while nobody used them: new ones tell.
        self._forget_connections(pool)
        pool = self.engine.pool
        return self._begin_once(writes=writes), pool

    def _begin_once(self, *, writes: bool) -> Connection:
        connection = self.engine.connect()
        try:
            connection.begin()
            link: Any = connection.connection.dbapi_connection
            if self.is_sqlite:
                sqlite.begin(link, writes=writes)
            else:
                cast("Link", link).begin()
        except self._driver_error:
            connection.invalidate()
            connection.close()
            raise
        return connection

    def _forget_connections(self, pool: sa.Pool) -> None:
        # Unless another thread has done so since.
        if self.engine.pool is pool:
            self.engine.dispose()
        self._hot.close()
        self._probes.close()

    @property
    def _driver_error(self) -> type[Exception]:
        return cast("type[Exception]", self.engine.dialect.loaded_dbapi.Error)

    @contextmanager
    def _unavailable(self) -> Iterator[None]:
        try:
            yield
        except (self._driver_error, sa.exc.DBAPIError, sa.exc.TimeoutError) as error:
            cause = getattr(error, "orig", None) or error
            if sqlstates.connections_are_lost(cause):
                self._forget_connections(self.engine.pool)
            if not isinstance(error, sa.exc.TimeoutError) and not driver.is_fault(cause, self.engine.dialect):
                raise
            raise DatabaseUnavailable(type(cause).__name__) from cause


def _engine(url: str, limits: Limits) -> Engine:
    if url.startswith("sqlite:"):
        return sqlite.make_engine(url, limits)
    from doorward.core import postgresql  # noqa: PLC0415 -- a server on SQLite needs no PostgreSQL driver

    return postgresql.make_engine(url, limits)
