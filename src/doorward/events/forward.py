"""Streams sealed events out: each receiver has a cursor, which moves on once it has taken what comes next.

Any number of servers may forward: a claim with a time limit lets one at a time. Events go in the order of the chain, a
batch at a time, and none is passed over: a receiver that fails is tried again, until its events are swept. One that
took a batch whose answer was lost, or whose server died, gets it again: at least once, never out of order.
"""

import http.client
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from doorward.core import metrics
from doorward.core.clock import MINUTE, SECOND
from doorward.core.db import Database
from doorward.core.logs import logger
from doorward.core.tables import event_cursors as table
from doorward.events.receivers import Receiver, Undelivered
from doorward.events.shown import sealed_event
from doorward.events.store import sealed_after

BATCH = 100
CLAIM = 2 * MINUTE
FIRST_RETRY = 2 * SECOND
LONGEST_RETRY = 5 * MINUTE

FIND = sa.select(table).where(table.c.name == sa.bindparam("receiver"))
NEXT = sealed_after(BATCH)
TAKE = (
    sa.update(table)
    .where(
        table.c.name == sa.bindparam("receiver"),
        table.c.seq == sa.bindparam("after"),
        table.c.next_attempt_at <= sa.bindparam("now"),
        sa.or_(table.c.claimed_until.is_(None), table.c.claimed_until <= sa.bindparam("now")),
    )
    .values(claimed_until=sa.bindparam("until"))
)
# Only by who still holds the claim: another may have sent the same by now, and gone on.
MOVE = (
    sa.update(table)
    .where(
        table.c.name == sa.bindparam("receiver"),
        table.c.seq == sa.bindparam("after"),
        table.c.claimed_until == sa.bindparam("until"),
    )
    .values(
        seq=sa.bindparam("last"),
        attempts=sa.bindparam("tried"),
        next_attempt_at=sa.bindparam("again_at"),
        claimed_until=None,
    )
)


class Forwarder:
    """Sends to one receiver."""

    def __init__(self, db: Database, receiver: Receiver) -> None:
        self._db = db
        self._receiver = receiver

    def run_once(self) -> bool:
        """Send the next batch; False when none was taken. Raises DatabaseUnavailable."""
        with self._db.read() as tx:
            cursor = tx.row(FIND, {"receiver": self._receiver.name})
            if cursor is not None and not _is_free(cursor, tx.now):
                return False
            rows = tx.execute(NEXT, {"after": cursor.seq if cursor else 0}).all()
        if not rows:
            return False
        claim = self._claim(cursor)
        if claim is None:
            return False
        if claim["after"] and rows[0].seq != claim["after"] + 1:
            # Swept before the receiver took them, or removed: `doorward events verify` tells which.
            logger.warning("events not sent", receiver=self._receiver.name, missing=rows[0].seq - claim["after"] - 1)
        reason = self._send(rows)
        self._settle(claim, rows, reason, cursor.attempts if cursor else 0)
        return reason is None

    def _send(self, rows: Sequence[sa.Row[Any]]) -> str | None:
        """None when they were taken, else why not."""
        try:
            self._receiver.send([sealed_event(row) for row in rows])
        except Undelivered as error:
            return str(error)
        except (OSError, http.client.HTTPException) as error:
            return type(error).__name__
        return None

    def _claim(self, cursor: sa.Row[Any] | None) -> dict[str, Any] | None:
        with self._db.write() as tx:
            if cursor is None:
                first = tx.insert(table).values(name=self._receiver.name, seq=0, next_attempt_at=tx.now)
                tx.execute(first.on_conflict_do_nothing())
            claim = {"receiver": self._receiver.name, "after": cursor.seq if cursor else 0, "until": tx.now + CLAIM}
            return claim if tx.changed(TAKE, claim | {"now": tx.now}) else None

    def _settle(self, claim: dict[str, Any], rows: Sequence[sa.Row[Any]], reason: str | None, attempts: int) -> None:
        wait = 0 if reason is None else min(FIRST_RETRY << min(attempts, 16), LONGEST_RETRY)
        with self._db.write() as tx:
            outcome = (
                {"last": rows[-1].seq, "tried": 0, "again_at": tx.now}
                if reason is None
                else {"last": claim["after"], "tried": attempts + 1, "again_at": tx.now + wait}
            )
            tx.execute(MOVE, claim | outcome)
        metrics.events.labels(self._receiver.name, "sent" if reason is None else "delayed").inc(len(rows))
        if reason is not None:
            logger.warning("events delayed", receiver=self._receiver.name, reason=reason, wait_s=wait // SECOND)


def _is_free(cursor: sa.Row[Any], now: int) -> bool:
    return cursor.next_attempt_at <= now and (cursor.claimed_until is None or cursor.claimed_until <= now)
