"""What happened, written in the same transaction as what it tells."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from doorward.core.clock import MINUTE
from doorward.core.db import Tx
from doorward.core.statements import Statement
from doorward.core.tables import events as table

EventType = Literal[
    "user.created",
    "user.disabled",
    "user.enabled",
    "user.deleted",
    "user.invited",
    "waits.ended",
    "login.succeeded",
    "login.refused",
    "session.ended",
    "session.reuse_detected",
    "second_factor.succeeded",
    "second_factor.refused",
    "password.changed",
    "password.refused",
    "password.reset_asked",
    "password.reset",
    "address.changed",
    "factor.enabled",
    "factor.disabled",
    "recovery_codes.replaced",
    "mail.sent_again",
    "signing_key.rotated",
    "signing_key.revoked",
    "admin_key.created",
    "admin_key.revoked",
    "administrator.granted",
    "administrator.revoked",
]

WAIT = "wait"
"""In the `detail` of a refusal: with it a wait began. What is refused while it lasts is no event."""

REPLACED = "replaced"
"""In the `detail` of an enabled second factor: it took the place of another one of its method."""

DISABLED, NO_PASSWORD = "disabled", "no password"
"""In the `detail` of a refused login: no password would have let the user in."""

ADD = Statement(
    sa.insert(table).inline(),
    ("at", "type", "user_id", "session_id", "client_address", "detail", "actor", "reason"),
)


@dataclass(frozen=True)
class By:
    """Who acts where that is not the user: an administrator by a name, from an address, and why.

    `reason` is what the administrator wrote, for other administrators to read.
    """

    name: str
    reason: str | None = None
    address: str | None = None


COMMAND_LINE = "command line"
BY_COMMAND = By(COMMAND_LINE)


@dataclass(frozen=True)
class Event:
    """One event as stored; `at` in milliseconds."""

    id: int
    at: int
    type: EventType
    session_id: str | None
    client_address: str | None
    detail: str | None


@dataclass(frozen=True)
class AnyEvent(Event):
    """One event with what only administrators are told."""

    user_id: int | None
    actor: str | None
    reason: str | None


@dataclass(frozen=True)
class Wanted:
    """Which events: those of a user, of a type, from a time on and before another (milliseconds)."""

    user_id: int | None = None
    type: str | None = None
    since: int | None = None
    until: int | None = None


COLUMNS: tuple[Any, ...] = tuple(table.c[name] for name in Event.__dataclass_fields__)
ALL_COLUMNS: tuple[Any, ...] = tuple(table.c[name] for name in AnyEvent.__dataclass_fields__)
BEYOND = 2**63 - 1
"""An id that no event has."""
OUT_OF_ORDER = MINUTE
"""By how much an event with a higher id may be the earlier one: servers' clocks differ, and transactions overlap."""


def record(
    tx: Tx,
    event: EventType,
    *,
    user_id: int | None,
    session_id: str | None = None,
    client_address: str | None = None,
    detail: str | None = None,
    by: By | None = None,
) -> None:
    """Write one event. `detail` is a word of ours (a method, a cause), never something that was typed."""
    values = {
        "at": tx.now,
        "type": event,
        "user_id": user_id,
        "session_id": session_id,
        "client_address": client_address,
        "detail": detail,
        "actor": None,
        "reason": None,
    }
    if by is not None:
        values |= {"actor": by.name, "reason": by.reason, "client_address": by.address}
    tx.first(ADD, values)


def of_user(tx: Tx, user_id: int, limit: int, before: int | None = None) -> list[Event]:
    """The user's newest events, newest first; those before the event with the id `before`."""
    theirs = table.c.user_id == user_id
    if before is not None:
        theirs = sa.and_(theirs, table.c.id < before)
    rows = tx.execute(sa.select(*COLUMNS).where(theirs).order_by(table.c.id.desc()).limit(limit))
    return [Event(**row._mapping) for row in rows]


def page(tx: Tx, wanted: Wanted, limit: int, before: int | None = None) -> list[AnyEvent]:
    """The newest events that are wanted, newest first; those before the event with the id `before`."""
    conditions = [table.c.id < (BEYOND if before is None else before), *_conditions(tx, wanted)]
    rows = tx.execute(sa.select(*ALL_COLUMNS).where(*conditions).order_by(table.c.id.desc()).limit(limit))
    return [AnyEvent(**row._mapping) for row in rows]


def _conditions(tx: Tx, wanted: Wanted) -> Iterator[sa.ColumnElement[bool]]:
    """A time is turned into an id first: ids are what every index of events is ordered by."""
    if wanted.user_id is not None:
        yield table.c.user_id == wanted.user_id
    if wanted.type is not None:
        yield table.c.type == wanted.type
    if wanted.since is not None:
        yield table.c.at >= wanted.since
        earliest = sa.select(table.c.id).where(table.c.at >= wanted.since - OUT_OF_ORDER).order_by(table.c.at).limit(1)
        first = tx.execute(earliest).scalar()
        yield sa.false() if first is None else table.c.id >= first
    if wanted.until is not None:
        yield table.c.at < wanted.until
        latest = sa.select(table.c.id).where(table.c.at < wanted.until + OUT_OF_ORDER)
        last = tx.execute(latest.order_by(table.c.at.desc()).limit(1)).scalar()
        yield sa.false() if last is None else table.c.id <= last
