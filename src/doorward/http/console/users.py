"""Find a user among all: by the beginning of a username or an address, or by an id."""

from collections.abc import Sequence

from doorward.accounts import search
from doorward.core.db import Tx
from doorward.env import Env
from doorward.http.console.page import ConsolePage, shown
from doorward.http.pages.page import Reply
from doorward.http.pages.visit import Visit
from doorward.http.paging import ID, cut
from doorward.users import store as users
from doorward.users.names import LONGEST
from doorward.users.store import User

SHOWN = 25


class Users(ConsolePage):
    """`?q=` is what was typed, `?after=` where the page before ended."""

    def show(self, visit: Visit) -> Reply:
        typed = visit.query.get("q", "").strip()
        after = visit.query.get("after", "")
        with visit.env.db.read() as tx:
            by_id = users.find(tx, int(typed)) if ID.fullmatch(typed) and not after else None
            everybody = None if typed else _all(tx, visit.id_asked("after") or 0)
        found, more = everybody or _named(visit.env, typed, after)
        rows = [by_id, *(user for user in found if user != by_id)] if by_id else found
        values = {"q": typed[:LONGEST], "rows": rows, "more": more, "is_first": not after}
        return shown("users", "users", values)


def _named(env: Env, typed: str, after: str) -> tuple[list[User], str | None]:
    """Those whose names begin so, and where the next page begins; nobody's name is longer than `LONGEST`."""
    if len(typed) > LONGEST:
        return [], None
    found = search.by_prefix(env.db.reads(), typed, SHOWN + 1, search.name_of(after) or "")
    page, more = cut(found, SHOWN, lambda each: search.cursor_of(each[0]))
    return [user for _, user in page], more


def _all(tx: Tx, after_id: int) -> tuple[Sequence[User], int | None]:
    return cut(users.page(tx, after_id, SHOWN + 1), SHOWN, lambda user: user.id)
