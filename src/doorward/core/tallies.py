"""How often things happened, by the hour: what the console's plots are drawn from.

Each count is added in the transaction of what it counts, so that any number of servers count each thing once. An error
has no transaction, and may be the database's absence: it is kept in mind until it can be written.
"""

import threading
from collections import Counter
from collections.abc import Mapping
from functools import cache
from typing import Literal

import sqlalchemy as sa

from doorward.core.clock import DAY, HOUR, Clock
from doorward.core.db import Database, Tx
from doorward.core.statements import insert_into
from doorward.core.tables import tallies as table

What = Literal[
    "logins",
    "refused_passwords",
    "refused_codes",
    "waits",
    "mails_sent",
    "mails_delayed",
    "mails_failed",
    "errors",
]
KEPT = 92 * DAY

Counts = Mapping[tuple[int, What], int]
"""How many, by the hour's beginning (milliseconds) and what."""


def hour_of(at: int) -> int:
    return at // HOUR * HOUR


def add(tx: Tx, counts: Counts) -> None:
    # In one order: whoever adds several at once waits for nobody who waits for them.
    rows = [{"hour": hour, "what": what, "count": count} for (hour, what), count in sorted(counts.items())]
    if rows:
        tx.execute(_add(tx.dialect), rows)


def note(tx: Tx, what: What) -> None:
    """One more of it, now."""
    add(tx, {(hour_of(tx.now), what): 1})


def since(tx: Tx, first: int, step: int) -> dict[tuple[int, str], int]:
    """The sums from the hour `first` on, by how many whole `step` milliseconds later, and what."""
    place = (table.c.hour - first) // step
    sums = sa.select(place.label("place"), table.c.what, sa.func.sum(table.c.count).label("total"))
    rows = tx.execute(sums.where(table.c.hour >= first).group_by(place, table.c.what))
    return {(int(row.place), row.what): int(row.total) for row in rows}


@cache
def _add(dialect: str) -> sa.Executable:
    row = insert_into(table, dialect)
    return row.on_conflict_do_update(
        index_elements=[table.c.hour, table.c.what], set_={"count": table.c.count + row.excluded.count}
    )


class Errors:
    """The errors of this process that are not written yet."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        self._lock = threading.Lock()
        self._pending: Counter[tuple[int, What]] = Counter()

    def note(self) -> None:
        """One more, now."""
        with self._lock:
            self._pending[hour_of(self._clock.now_ms()), "errors"] += 1

    def write(self) -> None:
        """Raises DatabaseUnavailable, and keeps them in mind."""
        with self._lock:
            pending, self._pending = self._pending, Counter()
        if not pending:
            return
        try:
            with self._db.write() as tx:
                add(tx, pending)
        except Exception:
            with self._lock:
                self._pending += pending
            raise
