"""How the service does: what happened by the hour, and what waits just now. Each question is answered by an index."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import sqlalchemy as sa

from doorward.core import tallies
from doorward.core.clock import DAY, HOUR, MINUTE
from doorward.core.db import Tx
from doorward.core.tables import events
from doorward.core.tallies import What
from doorward.env import Env
from doorward.events.chain import FIRST_UNSEALED
from doorward.events.looks import BEGINNING
from doorward.mail import outbox

Period = Literal["day", "week", "month"]
STEPS: dict[Period, tuple[int, int]] = {"day": (24, HOUR), "week": (28, 6 * HOUR), "month": (30, DAY)}
"""How many steps of how many milliseconds each has; the last is not over yet."""
WHATS: tuple[What, ...] = get_args(What)
COUNTED_TO = 1_000
"""More than these are so many at least."""
LATE_MAIL, LATE_SEAL = 5 * MINUTE, MINUTE


@dataclass(frozen=True)
class Health:
    """`series` holds a number for each of `begins`, the beginnings of the steps (milliseconds).

    `waiting` and `given_up` count mails up to `COUNTED_TO`. `oldest_mail`: since when the mail waits that was written
    first; `unsealed`: since when the first event waits to be sealed; `errors_since`: the beginning of the hour before
    this one, if there were errors from then on. Each is None where there is none.
    """

    seen_at: int
    step: int
    begins: list[int]
    series: dict[What, list[int]]
    waiting: int
    given_up: int
    oldest_mail: int | None
    unsealed: int | None
    errors_since: int | None

    def total(self, what: What) -> int:
        return sum(self.series[what])

    @property
    def is_mail_late(self) -> bool:
        return self.oldest_mail is not None and self.oldest_mail + LATE_MAIL <= self.seen_at

    @property
    def is_seal_late(self) -> bool:
        return self.unsealed is not None and self.unsealed + LATE_SEAL <= self.seen_at

    @property
    def rows(self) -> Iterator[tuple[int, list[int]]]:
        """The steps, oldest first, each with its numbers in the order of `WHATS`."""
        for place, begin in enumerate(self.begins):
            yield begin, [self.series[what][place] for what in WHATS]


def of(env: Env, period: Period) -> Health:
    count, step = STEPS[period]
    with env.db.read() as tx:
        first = tx.now // step * step - (count - 1) * step
        sums = tallies.since(tx, first, step)
        return Health(
            seen_at=tx.now,
            step=step,
            begins=[first + place * step for place in range(count)],
            series={what: [sums.get((place, what), 0) for place in range(count)] for what in WHATS},
            waiting=outbox.count(tx, COUNTED_TO, failed=False),
            given_up=outbox.count(tx, COUNTED_TO, failed=True),
            oldest_mail=outbox.oldest(tx),
            unsealed=_unsealed(tx),
            errors_since=_errors_since(tx),
        )


def _errors_since(tx: Tx) -> int | None:
    first = tallies.hour_of(tx.now) - HOUR
    return first if any(what == "errors" for _, what in tallies.since(tx, first, HOUR)) else None


def _unsealed(tx: Tx) -> int | None:
    first = tx.execute(FIRST_UNSEALED, {"behind": BEGINNING}).scalar()
    return None if first is None else tx.execute(sa.select(events.c.at).where(events.c.id == first)).scalar()
