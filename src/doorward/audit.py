"""What happened, written in the same transaction as what it tells."""

from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from doorward.core.db import Tx
from doorward.core.tables import events as table

EventType = Literal[
    "user.created",
    "user.disabled",
    "user.enabled",
    "user.deleted",
    "user.invited",
    "login.succeeded",
    "login.refused",
    "session.ended",
    "session.reuse_detected",
    "second_factor.succeeded",
    "second_factor.refused",
    "password.changed",
    "password.reset_asked",
    "password.reset",
    "address.changed",
    "factor.enabled",
    "factor.disabled",
    "recovery_codes.replaced",
    "recovery_code.used",
]

ADD = sa.insert(table)


@dataclass(frozen=True)
class Event:
    """One event as stored; `at` in milliseconds."""

    id: int
    at: int
    type: EventType
    session_id: str | None
    client_address: str | None
    detail: str | None


COLUMNS: tuple[Any, ...] = tuple(table.c[name] for name in Event.__dataclass_fields__)


def record(
    tx: Tx,
    event: EventType,
    *,
    user_id: int | None,
    session_id: str | None = None,
    client_address: str | None = None,
    detail: str | None = None,
) -> None:
    """Write one event. `detail` is a word of ours (a method, a reason), never something that was typed."""
    values = {
        "at": tx.now,
        "type": event,
        "user_id": user_id,
        "session_id": session_id,
        "client_address": client_address,
        "detail": detail,
    }
    tx.execute(ADD, values)


def of_user(tx: Tx, user_id: int, limit: int, before: int | None = None) -> list[Event]:
    """The user's newest events, newest first; those before the event with the id `before`."""
    theirs = table.c.user_id == user_id
    if before is not None:
        theirs = sa.and_(theirs, table.c.id < before)
    rows = tx.execute(sa.select(*COLUMNS).where(theirs).order_by(table.c.id.desc()).limit(limit))
    return [Event(**row._mapping) for row in rows]
