"""Checks the whole chain of events, and tells the first place where it breaks."""

from dataclasses import dataclass

import sqlalchemy as sa

from doorward.core.clock import HOUR
from doorward.core.db import Tx
from doorward.core.tables import events
from doorward.events.chain import ANCHOR, GENESIS, HEAD, SEALED, Chain, ChainBroken, Point, is_erased

LATE = HOUR
TOP = sa.select(sa.func.max(events.c.seq))
UNSEALED = sa.select(sa.func.count()).select_from(events).where(events.c.seq.is_(None))


@dataclass
class Verdict:
    """What was found. `late`: sealed an hour or more after they happened; `erased`: without their client address."""

    begins_behind: int = 0
    head: Point = GENESIS
    checked: int = 0
    unsealed: int = 0
    erased: int = 0
    late: int = 0
    holds_known: bool = False
    broken: ChainBroken | None = None


def verify(chain: Chain, known: Point | None = None) -> Verdict:
    """Follow the chain from where it begins to where it ends now.

    `known` is a place that somebody noted down before, with the beginning of the digest there (16 bytes or more): a
    chain that was cut behind an older end, or made anew, does not hold it.
    """
    verdict = Verdict()
    try:
        _follow(chain, verdict, known)
    except ChainBroken as broken:
        verdict.broken = broken
    return verdict


def _follow(chain: Chain, verdict: Verdict, known: Point | None) -> None:
    with chain.db.read() as tx:
        verdict.unsealed = tx.execute(UNSEALED).scalar_one()
        # In this order: what is sealed meanwhile moves the head only on.
        top = tx.execute(TOP).scalar() or 0
        head, at = chain.point(tx, HEAD), chain.point(tx, ANCHOR)
    verdict.head, verdict.begins_behind = head, at.seq
    if top > head.seq or at.seq > head.seq:
        raise ChainBroken(head.seq + 1, "there is more than the record of the chain's end tells of")
    _hold_known(verdict, at, known)
    while at.seq < head.seq:
        with chain.db.read() as tx:
            at = _next(tx, chain, verdict, at, known)
    if at.seq == head.seq and at != head:
        raise ChainBroken(head.seq, "the last event is not the one that the record of the chain's end tells of")
    if known is not None and known.seq > verdict.begins_behind and not verdict.holds_known:
        raise ChainBroken(known.seq, "the place that was noted down is not in the chain")


def _next(tx: Tx, chain: Chain, verdict: Verdict, at: Point, known: Point | None) -> Point:
    rows = [row for row in tx.execute(SEALED, {"after": at.seq}) if row.seq <= verdict.head.seq]
    anchor = chain.point(tx, ANCHOR)
    if at.seq < anchor.seq:
        # Swept while this went on.
        return anchor
    if not rows:
        raise ChainBroken(at.seq + 1, "an event is missing")
    for row in rows:
        at = chain.follow(tx, at, [row])
        _hold_known(verdict, at, known)
        verdict.checked += 1
        verdict.erased += is_erased(row)
        verdict.late += row.sealed_at - row.at >= LATE
    return at


def _hold_known(verdict: Verdict, at: Point, known: Point | None) -> None:
    if known is not None and at.seq == known.seq:
        if not at.digest.startswith(known.digest):
            raise ChainBroken(known.seq, "the chain has another digest at the place that was noted down")
        verdict.holds_known = True
