"""What goes to the driver past SQLAlchemy, whose execution costs several times what the driver's does."""

import sqlite3
from collections.abc import Mapping, Sequence
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, cast

import sqlalchemy as sa

from doorward.core import sqlite, sqlstates
from doorward.core.errors import DatabaseUnavailable
from doorward.core.limits import Limits
from doorward.core.statements import Statement

if TYPE_CHECKING:
    from doorward.core.postgresql import Link


class DriverPool:
    """The driver's connections in autocommit, as many and as patient as `limits` say, last used first."""

    def __init__(self, url: str, dialect: sa.Dialect, limits: Limits) -> None:
        self._url = url
        self._dialect = dialect
        self._error = cast("type[Exception]", dialect.loaded_dbapi.Error)
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

    def rows(self, statement: Statement, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """The answer. Raises DatabaseUnavailable."""
        sql, given = statement.for_driver(self._dialect, values)
        try:
            self._free.get(timeout=self._limits.wait_s)
        except Empty as error:
            raise DatabaseUnavailable("no connection was free in time") from error
        try:
            return self._rows(sql, given)
        except self._error as error:
            if is_fault(error, self._dialect):
                raise DatabaseUnavailable(type(error).__name__) from error
            raise
        finally:
            self._free.put(None)

    def _rows(self, sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        idle = self._idle
        try:
            connection = idle.pop()
        except IndexError:
            return self._run(self._connect(), idle, sql, values)
        try:
            return self._run(connection, idle, sql, values)
        except self._error as error:
            if self._dialect.name != "sqlite" and not sqlstates.is_stale(error):
                raise
            # It may have died in the pool, and its fellows with it, while nobody used them: a new one tells.
            self.close()
        idle = self._idle
        return self._run(self._connect(), idle, sql, values)

    def _run(self, connection: Any, idle: list[Any], sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        try:
            found = rows(connection, sql, values)
        except self._error:
            connection.close()
            raise
        idle.append(connection)
        if idle is not self._idle:
            _close_all(idle)
        return found

    def _connect(self) -> Any:
        if self._dialect.name == "sqlite":
            return sqlite.connect(self._url)
        from doorward.core import postgresql  # noqa: PLC0415 -- a server on SQLite needs no PostgreSQL driver

        return postgresql.connect(self._url, self._limits, plans_once=True)

    def close(self) -> None:
        """Close those that nobody uses now, and the others once they are given back."""
        idle, self._idle = self._idle, []
        _close_all(idle)


def rows(connection: Any, sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    """What a driver's connection answers. Everything that is not for SQLAlchemy goes this way."""
    if isinstance(connection, sqlite3.Connection):
        return connection.execute(sql, values).fetchall()
    return cast("Link", connection).rows(sql.encode(), values)


def _close_all(connections: list[Any]) -> None:
    # Another thread may do the same.
    while connections:
        try:
            connection = connections.pop()
        except IndexError:
            return
        connection.close()


def is_fault(error: BaseException, dialect: sa.Dialect) -> bool:
    """Whether it is the database's state, not the statement, that made it fail."""
    driver: Any = dialect.loaded_dbapi
    # A file that is no database any more is a plain DatabaseError to sqlite3.
    if isinstance(error, driver.OperationalError | driver.InterfaceError) or type(error) is driver.DatabaseError:
        return True
    # The driver's own words for a connection that ended with more than one error: the server's, and a pooler's.
    if isinstance(error, driver.InternalError) and sqlstates.is_stale(error):
        return True
    return sqlstates.is_passing(error)
