"""Deletes what is over, in small batches: ended sessions, forgotten counts, old codes and addresses.

Beside it, whatever else is to be looked at now and then (`chores`).
"""

from collections.abc import Callable, Sequence

import sqlalchemy as sa

from doorward.codes import COUNT_KEPT
from doorward.core.clock import DAY, MINUTE
from doorward.core.db import Database, Tx
from doorward.core.periodic import Periodic
from doorward.core.tables import known_addresses, mailed_codes, outbox, sessions, tallies, throttles
from doorward.core.tallies import KEPT as TALLY_KEPT
from doorward.mail.outbox import FAILED_MAIL_KEPT, NEVER
from doorward.sessions.store import KNOWN_ADDRESS_KEPT

EVERY_S = 5 * MINUTE // 1000
BATCH = 500
# A session outlives its end, so that a partial token can't begin it again.
ENDED_SESSION_KEPT = DAY
SWEPT = (sessions, mailed_codes, throttles, known_addresses, outbox, tallies)


class Sweeper(Periodic):
    """Sweeps every five minutes until it is stopped. Any number may run: each deletes what it finds."""

    def __init__(
        self, db: Database, sweep_events: Callable[[], int], chores: Sequence[Callable[[], object]] = ()
    ) -> None:
        super().__init__("sweep", EVERY_S)
        self._db = db
        self._chores = chores
        self._sweep_events = sweep_events

    def work(self) -> None:
        self.sweep()

    def sweep(self) -> int:
        """Do the chores and delete all that is over now; gives how many rows went."""
        for chore in self._chores:
            chore()
        swept = sum(self._sweep(table) for table in SWEPT)
        while not self._stopping.is_set() and (went := self._sweep_events()):
            swept += went
        return swept

    def _sweep(self, table: sa.Table) -> int:
        swept = 0
        while not self._stopping.is_set():
            with self._db.write() as tx:
                keys = list(table.primary_key.columns)
                over = sa.select(*keys).where(self._is_over(table, tx)).limit(BATCH)
                over = over.with_for_update(skip_locked=True)
                deleted = tx.execute(sa.delete(table).where(sa.tuple_(*keys).in_(over))).rowcount
            swept += deleted
            if deleted < BATCH:
                break
        return swept

    def _is_over(self, table: sa.Table, tx: Tx) -> sa.ColumnElement[bool]:
        rules = {
            "sessions": sessions.c.expires_at <= tx.now - ENDED_SESSION_KEPT,
            "mailed_codes": mailed_codes.c.expires_at <= tx.now - COUNT_KEPT,
            "throttles": throttles.c.forget_at <= tx.now,
            "outbox": sa.and_(outbox.c.next_attempt_at == NEVER, outbox.c.failed_at <= tx.now - FAILED_MAIL_KEPT),
            "tallies": tallies.c.hour <= tx.now - TALLY_KEPT,
            "known_addresses": known_addresses.c.last_login_at <= tx.now - KNOWN_ADDRESS_KEPT,
        }
        return rules[table.name]
