"""The database: one for all state, SQLite or PostgreSQL from the same code.

Reads see what is committed. A write is one transaction with one `now`; on SQLite it takes the write lock at once
(`BEGIN IMMEDIATE`), so that a transaction that begins by reading can't fail as it comes to write.

Whatever keeps the database from serving (it is gone, full, read-only, too slow, in a deadlock) is DatabaseUnavailable.
What was begun is then undone or, when the connection broke at the commit, unknown: nobody was told that it is done.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol, cast

import sqlalchemy as sa
from sqlalchemy.engine import Connection, CursorResult, Engine

from doorward.core import sqlite, sqlstates
from doorward.core.clock import Clock
from doorward.core.errors import DatabaseUnavailable
from doorward.core.limits import Limits

if TYPE_CHECKING:
    from sqlalchemy.dialects.postgresql import Insert

    from doorward.core.postgresql import Link

PROBE = Limits(pool=1, wait_s=2, connect_s=2, statement_s=2, lock_s=1)
"""For a question whose answer is only of use when it comes soon: whether the database is there."""


class Statement:
    """A statement that the driver runs itself (docs/decisions/0018), compiled once for each dialect.

    Given as it is, or as what makes it for a dialect. An insert without `values` names its `columns`. The values that
    it is run with are whole numbers, texts and None; of its answer the first row counts.
    """

    def __init__(self, made: sa.Executable | Callable[[str], sa.Executable], columns: Sequence[str] = ()) -> None:
        self._made = made
        self._columns = list(columns) or None
        self._compiled: dict[str, tuple[str, Sequence[str], dict[str, Any]]] = {}

    def for_driver(self, dialect: sa.Dialect, values: Mapping[str, Any]) -> tuple[str, list[Any]]:
        """The SQL and its values in their order. Raises KeyError when one is missing."""
        sql, positions, fixed = self._compiled.get(dialect.name) or self._compile(dialect)
        given = {**fixed, **values} if fixed else values
        return sql, [given[name] for name in positions]

    def _compile(self, dialect: sa.Dialect) -> tuple[str, Sequence[str], dict[str, Any]]:
        made = self._made(dialect.name) if callable(self._made) else self._made
        # PostgreSQL's protocol numbers its parameters; psycopg's own way of writing them needs its cursor.
        target = dialect if dialect.name == "sqlite" else cast("Any", type(dialect))(paramstyle="numeric_dollar")
        compiled: Any = cast("sa.ClauseElement", made).compile(dialect=target, column_keys=self._columns)
        fixed = {name: bound.value for name, bound in compiled.binds.items() if not bound.required}
        self._compiled[dialect.name] = str(compiled), compiled.positiontup or (), fixed
        return self._compiled[dialect.name]


class Asks(Protocol):
    """What a statement can be put to, at one time."""

    @property
    def now(self) -> int: ...

    def first(self, statement: Statement, values: Mapping[str, Any]) -> tuple[Any, ...] | None:
        """The first row of the answer, or None."""
        ...


@dataclass(frozen=True)
class Tx:
    """A transaction: its connection and the one time at which all of it happens."""

    connection: Connection
    now: int

    def first(self, statement: Statement, values: Mapping[str, Any]) -> tuple[Any, ...] | None:
        """The first row of the answer, or None."""
        sql, given = statement.for_driver(self.connection.dialect, values)
        return first_row(self.connection.connection.dbapi_connection, sql, given)

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


def insert_into(table: sa.Table, dialect: str) -> "Insert":
    """As `Tx.insert`, for a statement that is built once for each dialect."""
    # Each has its own, with the same methods; a server on SQLite loads no PostgreSQL drivers.
    if dialect == "sqlite":
        from sqlalchemy.dialects.sqlite import insert as insert_on_sqlite  # noqa: PLC0415

        return cast("Insert", insert_on_sqlite(table))
    from sqlalchemy.dialects.postgresql import insert  # noqa: PLC0415

    return insert(table)


class Database:
    """Connections to one database, as many and as patient as `limits` say."""

    def __init__(self, url: str, clock: Clock, limits: Limits | None = None) -> None:
        limits = limits or Limits()
        self.is_sqlite = url.startswith("sqlite:")
        self._clock = clock
        self.engine = _engine(url, limits)
        self._writing = threading.Lock()
        self._hot = _HotConnections(url, self.engine, limits)
        self._probes = _HotConnections(url, self.engine, PROBE)

    @contextmanager
    def read(self) -> Iterator[Tx]:
        """Reads in one transaction. Raises DatabaseUnavailable."""
        with self._unavailable(), self._begun() as connection:
            yield Tx(connection, self._clock.now_ms())

    @contextmanager
    def write(self) -> Iterator[Tx]:
        """A transaction: commits at the end of the block, undone by an exception. Raises DatabaseUnavailable."""
        if not self.is_sqlite:
            with self._unavailable(), self._begun() as connection:
                yield Tx(connection, self._clock.now_ms())
                connection.commit()
            return
        # Threads wait here in turn: SQLite's own waiting for its one writer polls, and starves some.
        with self._writing, self._unavailable(), self._begun(writes=True) as connection:
            yield Tx(connection, self._clock.now_ms())
            connection.commit()

    def reads(self) -> "Reads":
        """Reads that need not see one moment."""
        return Reads(self._clock.now_ms(), self.engine.dialect, self._hot)

    def prepare(self, statement: sa.Select[Any]) -> "HotRead":
        """A read for the hot path: compiled once, run by the driver itself."""
        return self._prepare(statement, self._hot)

    def prepare_probe(self, statement: sa.Select[Any]) -> "HotRead":
        """A read that fails after two seconds and waits for no other."""
        return self._prepare(statement, self._probes)

    def connections_in_use(self) -> dict[str, tuple[int, int]]:
        """How many are in use, and how many may be, for transactions and for reads of the hot path."""
        pool = cast("sa.QueuePool", self.engine.pool)
        return {"transactions": (pool.checkedout(), pool.size()), "hot": (self._hot.in_use, self._hot.limit)}

    def close(self) -> None:
        self._hot.close()
        self._probes.close()
        self.engine.dispose()

    def _prepare(self, statement: sa.Select[Any], connections: "_HotConnections") -> "HotRead":
        return HotRead(Statement(statement), self.engine.dialect, connections)

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
            driver: Any = connection.connection.dbapi_connection
            if self.is_sqlite:
                sqlite.begin(driver, writes=writes)
            else:
                cast("Link", driver).begin()
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
            if not isinstance(error, sa.exc.TimeoutError) and not _is_fault(cause, self.engine):
                raise
            raise DatabaseUnavailable(type(cause).__name__) from error


class HotRead:
    """One prepared query of the hot path (docs/decisions/0002)."""

    def __init__(self, statement: Statement, dialect: sa.Dialect, connections: "_HotConnections") -> None:
        self._statement = statement
        self._dialect = dialect
        self._connections = connections

    def one(self, **values: Any) -> tuple[Any, ...] | None:
        """The first row, or None. Raises DatabaseUnavailable."""
        return self._connections.fetch(*self._statement.for_driver(self._dialect, values))


@dataclass(frozen=True)
class Reads:
    """Reads at one time, each of which sees what is committed by then: no transaction is around them."""

    now: int
    dialect: sa.Dialect
    connections: "_HotConnections"

    def first(self, statement: Statement, values: Mapping[str, Any]) -> tuple[Any, ...] | None:
        """The first row of the answer, or None. Raises DatabaseUnavailable."""
        return self.connections.fetch(*statement.for_driver(self.dialect, values))


class _HotConnections:
    """Driver-level connections in autocommit, last used first."""

    def __init__(self, url: str, engine: Engine, limits: Limits) -> None:
        self._url = url
        self._engine = engine
        self._limits = limits
        self._idle: list[Any] = []
        # One token a connection that may be in use: unlike a semaphore, a queue of this kind is not written in Python.
        self._free: SimpleQueue[None] = SimpleQueue()
        for _ in range(limits.pool):
            self._free.put(None)

    @property
    def limit(self) -> int:
        return self._limits.pool

    @property
    def in_use(self) -> int:
        return self._limits.pool - self._free.qsize()

    def fetch(self, sql: str, values: Sequence[Any]) -> tuple[Any, ...] | None:
        try:
            self._free.get(timeout=self._limits.wait_s)
        except Empty as error:
            raise DatabaseUnavailable("no connection was free in time") from error
        try:
            return self._fetch(sql, values)
        except self._engine.dialect.loaded_dbapi.Error as error:
            if _is_fault(error, self._engine):
                raise DatabaseUnavailable(type(error).__name__) from error
            raise
        finally:
            self._free.put(None)

    def _fetch(self, sql: str, values: Sequence[Any]) -> tuple[Any, ...] | None:
        idle = self._idle
        try:
            connection = idle.pop()
        except IndexError:
            return self._run(self._connect(), idle, sql, values)
        try:
            return self._run(connection, idle, sql, values)
        except self._engine.dialect.loaded_dbapi.Error as error:
            # It may have died in the pool, and its fellows with it, while nobody used them: a new one tells.
            self.close()
            if self._engine.dialect.name != "sqlite" and not sqlstates.is_stale(error):
                raise
        idle = self._idle
        return self._run(self._connect(), idle, sql, values)

    def _run(self, connection: Any, idle: list[Any], sql: str, values: Sequence[Any]) -> tuple[Any, ...] | None:
        try:
            row = first_row(connection, sql, values)
        except self._engine.dialect.loaded_dbapi.Error:
            connection.close()
            raise
        idle.append(connection)
        if idle is not self._idle:
            _close_all(idle)
        return row

    def _connect(self) -> Any:
        if self._engine.dialect.name == "sqlite":
            return sqlite.connect(self._url)
        from doorward.core import postgresql  # noqa: PLC0415 -- see _engine

        return postgresql.connect(self._url, self._limits)

    def close(self) -> None:
        """Close those that nobody uses now, and the others once they are given back."""
        idle, self._idle = self._idle, []
        _close_all(idle)


def first_row(connection: Any, sql: str, values: Sequence[Any]) -> tuple[Any, ...] | None:
    """What a driver's connection answers first, or None. Everything that is not for SQLAlchemy goes this way."""
    if isinstance(connection, sqlite3.Connection):
        return cast("tuple[Any, ...] | None", connection.execute(sql, values).fetchone())
    return cast("Link", connection).first_row(sql.encode(), values)


def _close_all(connections: list[Any]) -> None:
    # Another thread may do the same.
    while connections:
        try:
            connection = connections.pop()
        except IndexError:
            return
        connection.close()


def _engine(url: str, limits: Limits) -> Engine:
    if url.startswith("sqlite:"):
        return sqlite.make_engine(url, limits)
    from doorward.core import postgresql  # noqa: PLC0415 -- a server on SQLite needs no PostgreSQL driver

    return postgresql.make_engine(url, limits)


def locked_out(error: DatabaseUnavailable) -> bool:
    """Whether a lock was waited for in vain, or in a circle (PostgreSQL)."""
    return sqlstates.locked_out(getattr(error.__cause__, "orig", None) or error)


def _is_fault(error: BaseException, engine: Engine) -> bool:
    """Whether it is the database's state, not the statement, that made it fail."""
    driver = engine.dialect.loaded_dbapi
    # A file that is no database any more is a plain DatabaseError to sqlite3.
    if isinstance(error, driver.OperationalError | driver.InterfaceError) or type(error) is driver.DatabaseError:
        return True
    return sqlstates.is_passing(error)
