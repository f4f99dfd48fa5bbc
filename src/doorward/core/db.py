"""The database: one for all state, SQLite or PostgreSQL from the same code.

Reads see what is committed. A write is one transaction with one `now`; on SQLite it takes the write lock at once
(`BEGIN IMMEDIATE`), so that a transaction that begins by reading can't fail as it comes to write.
"""

import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, cast

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, CursorResult, Engine, make_url

from doorward.core.clock import Clock
from doorward.core.errors import DatabaseUnavailable

if TYPE_CHECKING:
    from sqlalchemy.dialects.postgresql import Insert

SQLITE_BUSY_MS = 10_000
POSTGRESQL_OPTIONS = "-c statement_timeout=10s -c lock_timeout=5s -c idle_in_transaction_session_timeout=30s"
CONNECT_TIMEOUT_S = 5


@dataclass(frozen=True)
class Tx:
    """A transaction: its connection and the one time at which all of it happens."""

    connection: Connection
    now: int

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
        from sqlalchemy.dialects import sqlite  # noqa: PLC0415

        return cast("Insert", sqlite.insert(table))
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415

    return postgresql.insert(table)


class Database:
    """Connections to one database. `pool` bounds how many a process holds for transactions, and again for hot reads."""

    def __init__(self, url: str, clock: Clock, pool: int = 16) -> None:
        self.url = _driver_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._clock = clock
        self.engine = _sqlite_engine(self.url, pool) if self.is_sqlite else _postgresql_engine(self.url, pool)
        self._writing = threading.Lock()
        self._hot = _HotConnections(self.url, self.engine, pool)

    @contextmanager
    def read(self) -> Iterator[Tx]:
        """Reads in one transaction. Raises DatabaseUnavailable."""
        with _unavailable(), self.engine.connect() as connection:
            yield Tx(connection, self._clock.now_ms())

    @contextmanager
    def write(self) -> Iterator[Tx]:
        """A transaction: commits at the end of the block, undone by an exception. Raises DatabaseUnavailable."""
        if not self.is_sqlite:
            with _unavailable(), self.engine.begin() as connection:
                yield Tx(connection, self._clock.now_ms())
            return
        # Threads wait here in turn: SQLite's own waiting for its one writer polls, and starves some.
        with (
            self._writing,
            _unavailable(),
            self.engine.connect().execution_options(writes=True) as connection,
            connection.begin(),
        ):
            yield Tx(connection, self._clock.now_ms())

    def prepare(self, statement: sa.Select[Any]) -> "HotRead":
        """A read for the hot path: compiled once, run by the driver itself."""
        compiled = statement.compile(dialect=self.engine.dialect)
        return HotRead(str(compiled), compiled.positiontup, self._hot)

    def close(self) -> None:
        self._hot.close()
        self.engine.dispose()


class HotRead:
    """One prepared query of the hot path (docs/decisions/0002)."""

    def __init__(self, sql: str, positions: Sequence[str] | None, connections: "_HotConnections") -> None:
        self._sql = sql
        self._positions = positions
        self._connections = connections

    def one(self, **values: Any) -> tuple[Any, ...] | None:
        """The first row, or None. Raises DatabaseUnavailable."""
        if self._positions is None:
            return self._connections.fetch(self._sql, values)
        return self._connections.fetch(self._sql, [values[name] for name in self._positions])


class _HotConnections:
    """Driver-level connections in autocommit, last used first."""

    def __init__(self, url: URL, engine: Engine, limit: int) -> None:
        self._url = url
        self._engine = engine
        self._idle: list[Any] = []
        # One token a connection that may be in use: unlike a semaphore, a queue of this kind is not written in Python.
        self._free: SimpleQueue[None] = SimpleQueue()
        for _ in range(limit):
            self._free.put(None)

    def fetch(self, sql: str, values: Mapping[str, Any] | Sequence[Any]) -> tuple[Any, ...] | None:
        self._free.get()
        try:
            return self._fetch(sql, values)
        finally:
            self._free.put(None)

    def _fetch(self, sql: str, values: Mapping[str, Any] | Sequence[Any]) -> tuple[Any, ...] | None:
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._connect()
        try:
            row = connection.execute(sql, values).fetchone()
        except self._driver_errors:
            connection.close()
            # A pooled connection may have died with the server it led to: a new one tells.
            connection = self._connect()
            try:
                row = connection.execute(sql, values).fetchone()
            except self._driver_errors as error:
                connection.close()
                raise DatabaseUnavailable(type(error).__name__) from error
        self._idle.append(connection)
        return cast("tuple[Any, ...] | None", row)

    @property
    def _driver_errors(self) -> tuple[type[Exception], ...]:
        return (self._engine.dialect.loaded_dbapi.OperationalError,)

    def _connect(self) -> Any:
        try:
            if self._url.get_backend_name() == "sqlite":
                return _open_sqlite(self._url)
            import psycopg  # noqa: PLC0415 -- a server on SQLite needs no PostgreSQL driver

            return psycopg.connect(
                self._url.set(drivername="postgresql").render_as_string(hide_password=False),
                autocommit=True,
                prepare_threshold=1,
                **_postgresql_arguments(),
            )
        except self._driver_errors as error:
            raise DatabaseUnavailable(type(error).__name__) from error

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()


def _driver_url(url: str) -> URL:
    parsed = make_url(url)
    if parsed.get_backend_name() == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    return parsed


def _postgresql_arguments() -> dict[str, Any]:
    return {"connect_timeout": CONNECT_TIMEOUT_S, "options": POSTGRESQL_OPTIONS}


def _postgresql_engine(url: URL, pool: int) -> Engine:
    return sa.create_engine(
        url,
        pool_size=pool,
        max_overflow=0,
        pool_timeout=CONNECT_TIMEOUT_S,
        pool_use_lifo=True,
        connect_args=_postgresql_arguments(),
    )


def _sqlite_engine(url: URL, pool: int) -> Engine:
    engine = sa.create_engine(
        "sqlite://",
        creator=lambda: _open_sqlite(url),
        poolclass=sa.QueuePool,
        pool_size=pool,
        max_overflow=0,
        pool_use_lifo=True,
    )
    sa.event.listen(engine, "begin", _begin)
    return engine


def _open_sqlite(url: URL) -> sqlite3.Connection:
    connection = sqlite3.connect(
        str(Path(url.database or "")),
        isolation_level=None,
        check_same_thread=False,
        timeout=SQLITE_BUSY_MS / 1000,
    )
    # synchronous=FULL: what was answered survives a power cut, not only a crash of the process.
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-256"):
        connection.execute(f"PRAGMA {pragma}").close()
    return connection


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def _unavailable() -> Iterator[None]:
    try:
        yield
    except (sa.exc.OperationalError, sa.exc.TimeoutError, sa.exc.InterfaceError) as error:
        raise DatabaseUnavailable(type(error).__name__) from error
