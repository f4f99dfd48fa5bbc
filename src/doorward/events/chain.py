"""The chain of events: each is bound to all before it, so that a removed or changed one shows.

A transaction writes its events unchained and waits for nobody. A sealer chains what is committed, batch by batch: it
gives each event the next place (`seq`) and a keyed digest over its content and the digest before it. Any number of
sealers may run; the row `head` is held by one at a time. The key is the installation's digest key: whoever has the
database alone can't chain anew what they changed (docs/decisions/0013).
"""

import hmac
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import sqlalchemy as sa

from doorward import audit
from doorward.core import tallies
from doorward.core.clock import DAY
from doorward.core.db import Database, Tx
from doorward.core.tables import event_chain, events, users
from doorward.core.tallies import What
from doorward.core.vault import Vault
from doorward.events.looks import BEGINNING, Looks
from doorward.events.store import sealed_after

BATCH = 500
SALT_BYTES = 16
TURN = 7_262_313
HEAD, ANCHOR = "head", "anchor"

LINKED = (
    events.c.seq,
    events.c.id,
    events.c.at,
    events.c.type,
    events.c.user_id,
    events.c.session_id,
    events.c.detail,
    events.c.actor,
    events.c.reason,
    events.c.client_digest,
    events.c.sealed_at,
)
"""What an event's digest is of, beside the digest before it."""

COUNTED: dict[str, What] = {
    "login.succeeded": "logins",
    "login.refused": "refused_passwords",
    "password.refused": "refused_passwords",
    "second_factor.refused": "refused_codes",
}
REFUSED = frozenset(COUNTED) - {"login.succeeded"}

POINT = sa.select(event_chain).where(event_chain.c.name == sa.bindparam("point"))
ANY_POINT = sa.select(event_chain.c.name).where(event_chain.c.name.in_([HEAD, ANCHOR]))
HOLD = POINT.with_for_update(skip_locked=True)
# By the whole of an index, whose first column is the same in all of them. Were it by the ids alone, PostgreSQL would go
# through all events in their order wherever its statistics say that many are unsealed; and if it were let to sort
# (`Tx.sort_by_indexes`), through all of the last minutes.
IN_TURN = (events.c.seq, events.c.id)
LEFT = sa.and_(events.c.seq.is_(None), events.c.id > sa.bindparam("behind"))
FIRST_UNSEALED = sa.select(events.c.id).where(LEFT).order_by(*IN_TURN).limit(1)
NEWEST = sa.select(sa.func.max(events.c.id))
# Held until they are sealed: an address that is erased meanwhile would leave its salt behind.
UNSEALED = sa.select(events).where(LEFT).order_by(*IN_TURN).limit(BATCH).with_for_update()
SEAL = (
    sa.update(events)
    .where(events.c.id == sa.bindparam("event_id"))
    .values(
        {
            column.name: sa.bindparam(column.name)
            for column in (
                events.c.seq,
                events.c.sealed_at,
                events.c.digest,
                events.c.client_salt,
                events.c.client_digest,
            )
        }
    )
)
SEALED = sealed_after(BATCH)
FORGET = sa.delete(events).where(events.c.seq > sa.bindparam("after"), events.c.seq <= sa.bindparam("last"))
MOVE = (
    sa.update(event_chain)
    .where(event_chain.c.name == sa.bindparam("point"))
    .values(seq=sa.bindparam("seq"), digest=sa.bindparam("digest"), mac=sa.bindparam("mac"))
)


@dataclass(frozen=True)
class Point:
    """A place in the chain, and the digest of the event there."""

    seq: int
    digest: bytes


GENESIS = Point(0, bytes(32))


class ChainBroken(Exception):
    """An event or a point of the chain is not what was sealed; `seq` is the first place where it shows."""

    def __init__(self, seq: int, reason: str) -> None:
        super().__init__(f"{reason} (place {seq})")
        self.seq = seq
        self.reason = reason


class Chain:
    """Seals, follows and sweeps the chain of one installation."""

    def __init__(self, db: Database, vault: Vault) -> None:
        self.db = db
        self._vault = vault
        self._looks = Looks()

    def seal(self) -> int:
        """Chain a batch of what is committed, and count it; gives how many, 0 also while another does it.

        Raises ChainBroken.
        """
        behind = self._look()
        if behind is None:
            return 0
        with self.db.write() as tx:
            head = self._hold(tx, HEAD)
            if head is None:
                return 0
            tx.sort_by_indexes()
            sealed = []
            counted: Counter[tuple[int, What]] = Counter()
            for row in tx.execute(UNSEALED, {"behind": behind}):
                values = self._sealed(row, head, tx.now)
                head = Point(values["seq"], values["digest"])
                sealed.append(values)
                counted.update(_counted(row))
            if sealed:
                tx.execute(SEAL, sealed)
                self._move(tx, HEAD, head)
                tallies.add(tx, counted)
        return len(sealed)

    def seal_all(self) -> int:
        """Chain all that is committed. Raises ChainBroken."""
        total = 0
        while sealed := self.seal():
            total += sealed
        return total

    def forget(self, kept_days: int) -> int:
        """Sweep a batch of the oldest events, and anchor the chain behind them; gives how many went.

        They are checked first, so that no forged time makes this take away what shows. Raises ChainBroken.
        """
        self.seal_all()
        with self.db.write() as tx:
            anchor = self._hold(tx, ANCHOR)
            if anchor is None:
                return 0
            over = tx.now - kept_days * DAY
            rows = list(takewhile(lambda row: row.at <= over, tx.execute(SEALED, {"after": anchor.seq})))
            end = self.follow(tx, anchor, rows)
            if rows:
                tx.execute(FORGET, {"after": anchor.seq, "last": end.seq})
                self._move(tx, ANCHOR, end)
        return len(rows)

    def point(self, tx: Tx, name: str) -> Point:
        """Where the chain ends (HEAD) or begins (ANCHOR). Raises ChainBroken when the record of it is forged."""
        return self._checked(name, tx.row(POINT, {"point": name}))

    def follow(self, tx: Tx, previous: Point, rows: Sequence[sa.Row[Any]]) -> Point:
        """Check events, in order, against each other and what comes before; gives the last. Raises ChainBroken."""
        self._check_erased(tx, rows)
        for row in rows:
            if row.seq != previous.seq + 1:
                raise ChainBroken(previous.seq + 1, "an event is missing")
            if not hmac.compare_digest(row.digest or b"", self._link(row._mapping, previous)):
                raise ChainBroken(row.seq, f"event {row.id} was changed, or one before it removed")
            if row.client_address is not None and row.client_digest != self._of_client(
                row.client_address, row.client_salt
            ):
                raise ChainBroken(row.seq, f"the client address of event {row.id} was changed")
            previous = Point(row.seq, row.digest)
        return previous

    def _look(self) -> int | None:
        """The id behind which there is something to seal; None where nothing is."""
        with self.db.read() as tx:
            behind = self._looks.behind(tx.now)
            # Before the look: it sees all that this one sees.
            newest = tx.execute(NEWEST).scalar() or BEGINNING
            tx.sort_by_indexes()
            if tx.row(FIRST_UNSEALED, {"behind": behind}) is not None:
                return behind
            self._looks.found_nothing(tx.now, behind, newest)
            return None

    def _check_erased(self, tx: Tx, rows: Sequence[sa.Row[Any]]) -> None:
        """An address is erased of a deleted user only."""
        erased = [row for row in rows if is_erased(row)]
        if not erased:
            return
        ids = {row.user_id for row in erased}
        there = {None, *tx.execute(sa.select(users.c.id).where(users.c.id.in_(ids - {None}))).scalars()}
        for row in erased:
            if row.user_id in there:
                raise ChainBroken(row.seq, f"the client address of event {row.id} was removed")

    def _sealed(self, row: sa.Row[Any], previous: Point, now: int) -> dict[str, Any]:
        salt = None if row.client_address is None else os.urandom(SALT_BYTES)
        values = {
            "seq": previous.seq + 1,
            "sealed_at": now,
            "client_salt": salt,
            "client_digest": None if salt is None else self._of_client(row.client_address, salt),
        }
        digest = self._link({**row._mapping, **values}, previous)
        return {"event_id": row.id, "digest": digest, **values}

    def _link(self, row: Any, previous: Point) -> bytes:
        return self._vault.digest("event", previous.digest.hex(), *(_part(row[column.name]) for column in LINKED))

    def _of_client(self, address: str, salt: bytes | None) -> bytes:
        return self._vault.digest("event-client", (salt or b"").hex(), address)

    def _hold(self, tx: Tx, name: str) -> Point | None:
        """The point, held until the transaction ends; None while another transaction holds it."""
        row = tx.row(HOLD, {"point": name})
        if row is None and tx.row(POINT, {"point": name}) is None:
            # One after another: what somebody else has begun in between is no chain whose records are gone.
            tx.wait_for_turn(TURN)
            if tx.row(POINT, {"point": name}) is None:
                self._begin(tx)
            row = tx.row(HOLD, {"point": name})
        return None if row is None else self._checked(name, row)

    def _begin(self, tx: Tx) -> None:
        """The points of a chain that has nothing yet."""
        if tx.execute(ANY_POINT).first() or tx.execute(SEALED, {"after": GENESIS.seq}).first():
            raise ChainBroken(GENESIS.seq, "the record of where the chain begins or ends is gone")
        for name in (HEAD, ANCHOR):
            mac = self._mac(name, GENESIS)
            point = {"name": name, "seq": GENESIS.seq, "digest": GENESIS.digest, "mac": mac}
            tx.execute(sa.insert(event_chain).values(point))

    def _checked(self, name: str, row: sa.Row[Any] | None) -> Point:
        if row is None:
            return GENESIS
        point = Point(row.seq, row.digest)
        if not hmac.compare_digest(row.mac, self._mac(name, point)):
            raise ChainBroken(row.seq, f"the record `{name}` of the chain was changed")
        return point

    def _move(self, tx: Tx, name: str, point: Point) -> None:
        mac = self._mac(name, point)
        tx.execute(MOVE, {"point": name, "seq": point.seq, "digest": point.digest, "mac": mac})

    def _mac(self, name: str, point: Point) -> bytes:
        return self._vault.digest("event-point", name, str(point.seq), point.digest.hex())


def _counted(row: sa.Row[Any]) -> Iterator[tuple[int, What]]:
    """What the event adds to in the tallies. An event is sealed once, and so counted once."""
    hour = tallies.hour_of(row.at)
    if row.type in COUNTED:
        yield hour, COUNTED[row.type]
    if row.type in REFUSED and (row.detail or "").split("/")[-1] == audit.WAIT:
        yield hour, "waits"


def is_erased(row: sa.Row[Any]) -> bool:
    """Whether the event had a client address that is erased now."""
    return row.client_address is None and row.client_digest is not None


def _part(value: Any) -> str:
    """A value as the digest reads it: no two values read alike."""
    if value is None:
        return "-"
    return f"+{value.hex() if isinstance(value, bytes) else value}"
