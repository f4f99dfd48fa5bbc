"""Connections to PostgreSQL, straight or through a pooler such as PgBouncer.

A pooler in transaction mode lends a server connection for one transaction: what is set or prepared for a session is
lost, or another client's. Whether there is one is told by the process number that a connection was greeted with: a
pooler makes one up. Straight connections have their time-outs set once; pooled ones at each transaction, in the
same message as its BEGIN.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg.abc import RV, PQGen
from psycopg.generators import execute
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult
from sqlalchemy.engine import Engine

from doorward.core.limits import Limits

IDLE_IN_TRANSACTION_S = 30
LOOKS_FOR_SIGNALS_EVERY_S = 0.1
PREPARE_AT_THE_SECOND_TIME = 1
ROLE = (b"in_hot_standby", b"default_transaction_read_only")
READERS: dict[int, Callable[[bytes], Any]] = {
    psycopg.postgres.types["bool"].oid: b"t".__eq__,
    psycopg.postgres.types["int4"].oid: int,
    psycopg.postgres.types["int8"].oid: int,
    psycopg.postgres.types["text"].oid: bytes.decode,
    psycopg.postgres.types["varchar"].oid: bytes.decode,
}
"""What makes values of the texts that the server sends, by the type of the column."""
SEVERAL_HOSTS = {"target_session_attrs": "read-write"}
"""Of several hosts, the one that takes writes, unless the URL says otherwise."""


class NoAnswer(psycopg.OperationalError):
    """The server was waited for in vain."""

    sqlstate = psycopg.errors.ConnectionFailure.sqlstate


class RoleChanged(psycopg.OperationalError):
    """The server takes no writes any more, or takes them now: another connection may lead elsewhere."""


class Link(psycopg.Connection[tuple[Any, ...]]):
    """A connection that waits no longer than its patience, whatever became of the server."""

    patience_s: float | None = None
    beginning = b"BEGIN"
    role: tuple[bytes | None, ...] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._statements: dict[bytes, bytes] = {}

    def begin(self) -> None:
        """Begin a transaction, in one round trip and without a cursor, which costs as much again.

        Raises RoleChanged when the server has another part to play than at the connection's beginning.
        """
        self.pgconn.send_query(self.beginning)
        self._results()
        if self.told_role() != self.role:
            raise RoleChanged

    def commit(self) -> None:
        """Commit the transaction that was begun.

        Raises InFailedSqlTransaction when it is undone, because a statement in it has failed and whoever gave it took
        no notice. PostgreSQL tells so by the command that it says it did, ROLLBACK, and calls that a success
        (https://www.postgresql.org/docs/current/sql-commit.html).
        """
        self.pgconn.send_query(b"COMMIT")
        [result] = self._results()
        if result.command_status != b"COMMIT":
            raise psycopg.errors.InFailedSqlTransaction("a statement had failed: nothing was committed")

    def rollback(self) -> None:
        """Undo the transaction, if one was begun.

        Unlike psycopg's own it keeps what is prepared: that forgets it on the server too, in case the transaction made
        a table. Here migrations alone do that, and each read would pay with a round trip and all to prepare anew.
        """
        if self.pgconn.transaction_status != TransactionStatus.IDLE:
            self.pgconn.send_query(b"ROLLBACK")
            self._results()

    def rows(self, sql: bytes, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """The answer to a query with numbered parameters ($1).

        Without a cursor, which costs twice as much as all of this. Raises psycopg.Error, and KeyError for columns of
        types that are not among the READERS.
        """
        texts = [_text(value) for value in values]
        if b"\0" in b"".join(filter(None, texts)):
            # It ends a text in the protocol: the rest would be cut off, and another name asked for than was meant.
            raise psycopg.DataError("a text holds NUL")
        if self.prepare_threshold is None:
            self.pgconn.send_query_params(sql, texts)
        else:
            self.pgconn.send_query_prepared(self._statements.get(sql) or self._prepare(sql), texts)
        [result] = self._results()
        readers = [READERS[result.ftype(column)] for column in range(result.nfields)]
        return [_row(result, number, readers) for number in range(result.ntuples)]

    def _prepare(self, sql: bytes) -> bytes:
        # By what it says: where a pooler mixes up connections all the same, it leads to this statement or to none.
        name = f"hot_{hashlib.sha256(sql).hexdigest()[:32]}".encode()
        self.pgconn.send_prepare(name, sql)
        self._results()
        self._statements[sql] = name
        return name

    def _results(self) -> list[PGresult]:
        results: list[PGresult] = self.wait(execute(self.pgconn))
        for result in results:
            if result.status == ExecStatus.FATAL_ERROR:
                raise psycopg.errors.error_from_result(result)
        return results

    def told_role(self) -> tuple[bytes | None, ...]:
        """What the server said last of whether it takes writes: it says so unasked, with its next answer."""
        return tuple(self.pgconn.parameter_status(name) for name in ROLE)

    def wait(self, gen: PQGen[RV], interval: float = LOOKS_FOR_SIGNALS_EVERY_S, timeout: float | None = None) -> RV:
        """As psycopg's own. A connection that was waited for in vain is closed: its answer may come at any time."""
        try:
            return super().wait(gen, interval, self.patience_s if timeout is None else timeout)
        except psycopg.OperationalError as error:
            if self.pgconn.transaction_status != TransactionStatus.ACTIVE:
                raise
            self.pgconn.finish()
            raise NoAnswer from error


def _text(value: str | int | bytes | None) -> bytes | None:
    if value is None:
        return None
    return b"\\x" + value.hex().encode() if isinstance(value, bytes) else str(value).encode()


def _row(result: PGresult, number: int, readers: Sequence[Callable[[bytes], Any]]) -> tuple[Any, ...]:
    texts = (result.get_value(number, column) for column in range(result.nfields))
    return tuple(None if text is None else read(text) for text, read in zip(texts, readers, strict=True))


def make_engine(url: str, limits: Limits) -> Engine:
    """Raises sqlalchemy.exc.ArgumentError for what libpq can't read."""
    if not _is_readable(url):
        raise sa.exc.ArgumentError("database URL")
    return sa.create_engine(
        "postgresql+psycopg://",
        creator=lambda: connect(url, limits),
        pool_size=limits.pool,
        max_overflow=0,
        pool_timeout=limits.wait_s,
        pool_use_lifo=True,
    )


def _is_readable(url: str) -> bool:
    """Whether libpq knows all that the URL says (it may name several hosts)."""
    try:
        psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        return False
    return True


def connect(url: str, limits: Limits, *, plans_once: bool = False) -> Link:
    """A connection in autocommit, with its time-outs. Raises psycopg.Error.

    One that `plans_once` has what it prepares planned for whatever values, and not anew at each turn for the ones at
    hand, as PostgreSQL would with ranges of a large table.
    """
    link = Link.connect(
        url,
        autocommit=True,
        prepare_threshold=None,
        connect_timeout=max(2, round(limits.connect_s)),
        **_which_host(url),
    )
    try:
        link.patience_s = limits.patience_s
        link.role = link.told_role()
        straight = _is_straight(link)
        if straight:
            link.execute(
                _timeouts("SET", limits) + ("; SET plan_cache_mode = force_generic_plan" if plans_once else "")
            )
        else:
            link.beginning = f"BEGIN; {_timeouts('SET LOCAL', limits)}".encode()
        if limits.prepared == "on" or (limits.prepared == "auto" and straight):
            link.prepare_threshold = PREPARE_AT_THE_SECOND_TIME
    except psycopg.Error:
        link.close()
        raise
    return link


def _which_host(url: str) -> dict[str, Any]:
    said = psycopg.conninfo.conninfo_to_dict(url)
    return SEVERAL_HOSTS if "," in str(said.get("host", "")) and "target_session_attrs" not in said else {}


def _is_straight(link: Link) -> bool:
    row = link.execute("SELECT pg_backend_pid()").fetchone()
    return row == (link.info.backend_pid,)


def _timeouts(command: str, limits: Limits) -> str:
    milliseconds = {
        "statement_timeout": limits.statement_s,
        "lock_timeout": limits.lock_s,
        "idle_in_transaction_session_timeout": IDLE_IN_TRANSACTION_S,
    }
    return "; ".join(f"{command} {name} = {round(seconds * 1000)}" for name, seconds in milliseconds.items())
