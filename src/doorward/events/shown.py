"""How events look in JSON: the same on the command line, in the administrators' API and where they are streamed to."""

from typing import Annotated, Any

import msgspec
import sqlalchemy as sa

from doorward.audit import AnyEvent
from doorward.core.clock import iso

Time = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]


class Event(msgspec.Struct, rename="camel", kw_only=True):
    """What happened. `actor` is the administrator's key, or `command line`; null: the user, or a stranger."""

    id: int
    at: Time
    type: str
    user_id: int | None
    session_id: str | None
    client_address: str | None
    detail: str | None
    actor: str | None
    reason: str | None


class SealedEvent(Event, kw_only=True):
    """With its place in the chain, as docs/events.md describes it."""

    seq: int
    sealed_at: Time
    digest: str


def event(stored: AnyEvent) -> Event:
    return Event(**_told(stored))


def sealed_event(row: sa.Row[Any]) -> SealedEvent:
    """Of a row of the table that is sealed."""
    return SealedEvent(**_told(row), seq=row.seq, sealed_at=iso(row.sealed_at), digest=row.digest.hex())


def _told(stored: AnyEvent | sa.Row[Any]) -> dict[str, Any]:
    return {name: getattr(stored, name) for name in Event.__struct_fields__} | {"at": iso(stored.at)}
