"""An operation of the administrators' API, and what the operations have in common."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated, Any

import msgspec

from doorward.administration.keys import Scope
from doorward.administration.reasons import LONGEST_REASON
from doorward.audit import By
from doorward.core.errors import BadInput
from doorward.env import Env
from doorward.http.paging import ID
from doorward.sessions.flows import SESSION_ID

ROOT = "/admin/api"
MOST_ITEMS, USUAL_ITEMS = 200, 50
LONGEST_CURSOR = 2_000
# What stands in a path for each name.
PLACES = {"userId": ID.pattern, "mailId": ID.pattern, "sessionId": SESSION_ID}

Limit = Annotated[int, msgspec.Meta(ge=1, le=MOST_ITEMS, description="How many at most.")]
Cursor = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_CURSOR, description="`next` of the page before.")]


class Act(msgspec.Struct, forbid_unknown_fields=True):
    """What every act says: why it is done. It is kept with the event and shown to administrators only."""

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_REASON)]


class NoQuery(msgspec.Struct, forbid_unknown_fields=True):
    """No parameters."""


class Paging(msgspec.Struct, forbid_unknown_fields=True):
    """Which page."""

    limit: Limit = USUAL_ITEMS
    cursor: Cursor | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One request, admitted and read; `place` holds what its path names."""

    env: Env
    by: By
    place: dict[str, str]
    query: Any
    body: Any

    @property
    def user_id(self) -> int:
        return int(self.place["userId"])


@dataclass(frozen=True)
class Operation:
    """One verb of one path (below `ROOT`): the scope it takes, what it reads, what it gives, how it can be refused.

    `gives` None: 204. An operation with a body is an act: it changes something, and says why.
    """

    id: str
    verb: str
    path: str
    summary: str
    scope: Scope
    does: Callable[[Call], Any]
    gives: Any = None
    query: type[msgspec.Struct] = NoQuery
    body: type[Act] | None = None
    status: int = HTTPStatus.OK
    refusals: tuple[str, ...] = ()
    name: str = field(init=False)
    pattern: re.Pattern[str] = field(init=False)
    decoder: "msgspec.json.Decoder[Any] | None" = field(init=False)

    def __post_init__(self) -> None:
        shape = re.sub(r"\{(\w+)\}", lambda found: f"(?P<{found[1]}>{PLACES[found[1]]})", ROOT + self.path)
        object.__setattr__(self, "name", f"{self.verb} {ROOT}{self.path}")
        object.__setattr__(self, "pattern", re.compile(shape))
        # Made while one thread alone loads the API: see `doorward.http.bodies.decoder`.
        object.__setattr__(self, "decoder", None if self.body is None else msgspec.json.Decoder(self.body))


def number(cursor: str | None) -> int | None:
    """A cursor that is an id. Raises BadInput."""
    if cursor is None:
        return None
    if not ID.fullmatch(cursor):
        raise bad_cursor()
    return int(cursor)


def bad_cursor() -> BadInput:
    return BadInput("querystring/cursor is not the `next` of a page")
