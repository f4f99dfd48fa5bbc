"""Connections to PostgreSQL, straight or through a pooler such as PgBouncer.

A pooler in transaction mode lends a server connection for one transaction: what is set or prepared for a session is
lost, or another client's. Whether there is one is told by the process number that a connection was greeted with: a
pooler makes one up. Straight connections have their time-outs set once; pooled ones at each transaction, in the
same message as its BEGIN.
"""

from typing import Any

import psycopg
from psycopg.abc import RV, PQGen
from psycopg.generators import execute
from psycopg.pq import ExecStatus, TransactionStatus

from doorward.core.limits import Limits

IDLE_IN_TRANSACTION_S = 30
LOOKS_FOR_SIGNALS_EVERY_S = 0.1
PREPARE_AT_THE_SECOND_TIME = 1


class NoAnswer(psycopg.OperationalError):
    """The server was waited for in vain."""

    sqlstate = psycopg.errors.QueryCanceled.sqlstate


class Link(psycopg.Connection[tuple[Any, ...]]):
    """A connection that waits no longer than its patience, whatever became of the server."""

    patience_s: float | None = None
    beginning = b"BEGIN"

    def begin(self) -> None:
        """Begin a transaction, in one round trip and without a cursor, which costs as much again."""
        self.pgconn.send_query(self.beginning)
        for result in self.wait(execute(self.pgconn)):
            if result.status == ExecStatus.FATAL_ERROR:
                raise psycopg.errors.error_from_result(result)

    def wait(self, gen: PQGen[RV], interval: float = LOOKS_FOR_SIGNALS_EVERY_S, timeout: float | None = None) -> RV:
        """As psycopg's own. A connection that was waited for in vain is closed: its answer may come at any time."""
        try:
            return super().wait(gen, interval, self.patience_s if timeout is None else timeout)
        except psycopg.OperationalError as error:
            if self.pgconn.transaction_status != TransactionStatus.ACTIVE:
                raise
            self.pgconn.finish()
            raise NoAnswer from error


def is_readable(url: str) -> bool:
    """Whether libpq knows all that the URL says (it may name several hosts)."""
    try:
        psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        return False
    return True


def connect(url: str, limits: Limits) -> Link:
    """A connection in autocommit, with its time-outs. Raises psycopg.Error."""
    link = Link.connect(url, autocommit=True, prepare_threshold=None, connect_timeout=max(2, round(limits.connect_s)))
    try:
        link.patience_s = limits.patience_s
        straight = _is_straight(link)
        if straight:
            link.execute(_timeouts("SET", limits))
        else:
            link.beginning = f"BEGIN; {_timeouts('SET LOCAL', limits)}".encode()
        if limits.prepared == "on" or (limits.prepared == "auto" and straight):
            link.prepare_threshold = PREPARE_AT_THE_SECOND_TIME
    except psycopg.Error:
        link.close()
        raise
    return link


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
