"""What happened, to a user or to all."""

from datetime import datetime
from typing import Annotated

import msgspec

from doorward import audit
from doorward.audit import EventType, Wanted
from doorward.core.clock import SECOND
from doorward.events import shown
from doorward.http.admin.operations import Call, Operation, Paging, number
from doorward.http.paging import cut

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
LARGEST_ID = 10**18


class FindEvents(Paging, forbid_unknown_fields=True, rename="camel"):
    """Of a user, of a type, from `since` on and before `until`."""

    user_id: Annotated[int, msgspec.Meta(ge=0, lt=LARGEST_ID)] | None = None
    type: EventType | None = None
    since: Moment | None = None
    until: Moment | None = None


class EventPage(msgspec.Struct):
    """Some events, newest first. `next` is the cursor of the next page; null: there is none."""

    items: list[shown.Event]
    next: str | None


def _find(call: Call) -> EventPage:
    query = call.query
    wanted = Wanted(query.user_id, query.type, _ms(query.since), _ms(query.until))
    with call.env.db.read() as tx:
        found = audit.page(tx, wanted, query.limit + 1, number(query.cursor))
    page, more = cut(found, query.limit, lambda event: str(event.id))
    return EventPage([shown.event(event) for event in page], more)


def _ms(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp() * SECOND)


OPERATIONS = (
    Operation(
        "findEvents", "GET", "/events", "What happened, newest first", "events:read", _find, EventPage, FindEvents
    ),
)
