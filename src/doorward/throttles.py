"""The waits: after too many wrong guesses, and between mails.

A guess is judged and counted in one transaction, and its verdict is told only after that has committed: N guesses at
once are N guesses, and none that came while waiting says anything about the right answer. A key that waits refuses
within the transaction, which undoes it: an early retry neither counts nor lengthens the wait.
"""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache

import sqlalchemy as sa

from doorward.core.clock import DAY, HOUR, MINUTE, SECOND, seconds_until
from doorward.core.db import Reader, Tx
from doorward.core.errors import Refused
from doorward.core.statements import Statement, insert_into
from doorward.core.tables import throttles as table

LOCKED = 2**62
"""`next_at` of a key that only a reset frees."""

MAIL_INTERVAL = 60 * SECOND
LONGEST_MAIL_INTERVAL = HOUR
FREE_WRONG_CODES = 10
"""Wrong mailed codes in a row; from then on the wait between mails doubles.

A mail a minute forever would be 1,440 guesses a day at one of a million codes, for whoever knows an address.
"""


@dataclass(frozen=True)
class Policy:
    """`free` wrong guesses cost nothing; the wait after them doubles from `first` to `longest` (milliseconds).

    `lock_after` wrong guesses in a row lock the key; `forget_after` milliseconds without one forget the count.
    """

    refusal: str
    first: int
    longest: int
    free: int = 5
    lock_after: int | None = None
    forget_after: int | None = None

    def next_at(self, failures: sa.ColumnElement[int], now: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
        """When the next guess is allowed after so many failures, as SQL."""
        doublings = (self.longest // self.first).bit_length()
        steps: list[tuple[sa.ColumnElement[bool], sa.ColumnElement[int]]] = [
            (failures < self.free, sa.literal(0, sa.BigInteger))
        ]
        if self.lock_after is not None:
            steps.append((failures >= self.lock_after, sa.literal(LOCKED, sa.BigInteger)))
        for step in range(doublings):
            wait = min(self.first << step, self.longest)
            steps.append((failures == self.free + step, now + wait))
        return sa.case(*steps, else_=now + self.longest)

    def seconds(self, next_at: int, now: int) -> int:
        """What a client is told to wait; for a locked key the longest wait."""
        return min(seconds_until(next_at, now), self.longest // SECOND)


PASSWORD = Policy("TOO_MANY_FAILED_PASSWORD_CHECKS", first=SECOND, longest=15 * MINUTE, forget_after=DAY)
TOTP = Policy("TOO_MANY_TOTP_CHECKS", first=30 * SECOND, longest=HOUR, lock_after=100)
RECOVERY_CODE = Policy("TOO_MANY_RECOVERY_CODE_CHECKS", first=30 * SECOND, longest=HOUR, lock_after=100)


AT_KEYS = table.c.key.in_([sa.bindparam("first"), sa.bindparam("last")])
NEXT_AT = Statement(sa.select(sa.func.max(table.c.next_at)).where(AT_KEYS))
# Locked in this order, as `count_wrong` takes them.
LOCKED_ROWS = sa.select(table.c.next_at).where(AT_KEYS).order_by(table.c.key).with_for_update().subquery()
HELD = Statement(sa.select(sa.func.max(LOCKED_ROWS.c.next_at)))
RESET = Statement(sa.delete(table).where(table.c.key == sa.bindparam("forgotten")))


def seconds_to_wait(reader: Reader, policy: Policy, *keys: str) -> int:
    """Whole seconds until a guess at all of the keys (one or two) is allowed; 0 when it is now."""
    return _seconds(reader, NEXT_AT, policy, keys)


def running(tx: Tx, keys: Collection[str]) -> dict[str, int]:
    """When the next guess, or mail, is allowed (milliseconds, or LOCKED) at those of the keys that wait now."""
    waits = sa.select(table.c.key, table.c.next_at).where(table.c.key.in_(keys), table.c.next_at > tx.now)
    return {row.key: row.next_at for row in tx.execute(waits)}


def refuse_while_waiting(reader: Reader, policy: Policy, *keys: str) -> None:
    """Raises Refused(policy.refusal) while any of the keys waits."""
    if wait := seconds_to_wait(reader, policy, *keys):
        raise Refused(policy.refusal, wait)


def hold_back(tx: Tx, policy: Policy, *keys: str) -> None:
    """As `refuse_while_waiting`, after wrong guesses at the keys that are being counted: those came first."""
    if wait := _seconds(tx, HELD, policy, keys):
        raise Refused(policy.refusal, wait)


def count_wrong(tx: Tx, policy: Policy, *keys: str) -> bool:
    """Count a wrong guess at each of the keys; True when it begins a wait.

    Raises Refused(policy.refusal), counting none, while any waits.
    """
    next_at = 0
    for key in sorted(keys):
        # Not counted and not waiting: it was reset in between, so count again.
        while (counted := _count(tx, policy, key)) is None:
            refuse_while_waiting(tx, policy, key)
        next_at = max(next_at, counted)
    return next_at > tx.now


def reset(tx: Tx, *keys: str) -> None:
    """Forget the wrong guesses at the keys."""
    for key in keys:
        tx.first(RESET, {"forgotten": key})


def end_waits(tx: Tx, keys: Collection[str]) -> set[str]:
    """Let the next guess come now at those of the keys that wait or are locked, and give them.

    The counts stay: a wrong guess then begins the next, longer wait, or locks the key again.
    """
    waiting = sa.update(table).where(table.c.key.in_(keys), table.c.next_at > tx.now)
    return set(tx.execute(waiting.values(next_at=tx.now).returning(table.c.key)).scalars())


def claim_mail(tx: Tx, key: str, refusal: str, interval: int) -> None:
    """Take the one mail that the key has now; the next may come `interval` milliseconds later.

    Raises Refused(refusal) when it was taken already.
    """
    next_at = tx.now + interval
    claim = tx.insert(table).values(key=key, failures=0, next_at=next_at, forget_at=next_at)
    claim = claim.on_conflict_do_update(
        index_elements=[table.c.key],
        set_={"next_at": next_at, "forget_at": next_at},
        where=table.c.next_at <= tx.now,
    )
    if not tx.changed(claim):
        raise Refused(refusal, seconds_to_next_mail(tx, key))


def mail_interval(wrong_codes: int) -> int:
    """Milliseconds from one mail with a code to the next, after so many wrong codes in a row."""
    doublings = max(0, wrong_codes - FREE_WRONG_CODES + 1)
    # No more than the bits of the longest: the count may be any.
    return min(MAIL_INTERVAL << min(doublings, LONGEST_MAIL_INTERVAL.bit_length()), LONGEST_MAIL_INTERVAL)


def seconds_to_next_mail(tx: Tx, key: str) -> int:
    """Whole seconds until the key may have its next mail; 0 when it may now."""
    next_at = tx.execute(sa.select(table.c.next_at).where(table.c.key == key)).scalar() or 0
    return seconds_until(next_at, tx.now)


def _seconds(reader: Reader, statement: Statement, policy: Policy, keys: tuple[str, ...]) -> int:
    row = reader.first(statement, {"first": keys[0], "last": keys[-1]})
    return policy.seconds((row and row[0]) or 0, reader.now)


def _count(tx: Tx, policy: Policy, key: str) -> int | None:
    """When the key's next guess is allowed; None when this one was not counted."""
    forget_at = None if policy.forget_after is None else tx.now + policy.longest + policy.forget_after
    row = tx.row(_one_more(policy, tx.dialect), {"key": key, "now": tx.now, "forget_at": forget_at})
    return None if row is None else int(row.next_at)


@cache
def _one_more(policy: Policy, dialect: str) -> sa.Executable:
    now = sa.bindparam("now", type_=sa.BigInteger)
    forgotten = sa.func.coalesce(table.c.forget_at <= now, sa.false())
    failures = sa.case((forgotten, 1), else_=table.c.failures + 1)
    first = {"failures": 1, "next_at": policy.next_at(sa.literal(1, sa.Integer), now)}
    row = insert_into(table, dialect)
    counted = row.values(
        first | {"key": sa.bindparam("key"), "forget_at": sa.bindparam("forget_at")}
    ).on_conflict_do_update(
        index_elements=[table.c.key],
        set_={"failures": failures, "next_at": policy.next_at(failures, now), "forget_at": row.excluded.forget_at},
        where=table.c.next_at <= now,
    )
    return counted.returning(table.c.next_at)
