"""One user: why they can't sign in, what they have, and what happened, newest first."""

from collections.abc import Sequence
from typing import Any

from doorward import audit
from doorward.accounts.flows import NoSuchUser
from doorward.administration import administrators, standing, words
from doorward.audit import AnyEvent, Wanted
from doorward.core.db import Tx
from doorward.http.console.page import ConsolePage, id_in, shown
from doorward.http.pages.own_sessions import device
from doorward.http.pages.page import Reply
from doorward.http.pages.visit import Visit
from doorward.http.paging import cut
from doorward.users import store as users

SHOWN = 25
SESSION_SHOWN = 6
"""So many characters of a session's id tell it from the user's others."""


class UserPage(ConsolePage):
    """`?before=` pages on in the time line. Of a deleted user, the events are left."""

    def show(self, visit: Visit) -> Reply:
        user_id = id_in(visit, "user_id")
        found, more = _time_line(visit, user_id)
        values = {"user_id": user_id, "events": found, "more": more, "is_first": visit.id_asked("before") is None}
        try:
            state = standing.of(visit.env, user_id)
        except NoSuchUser:
            return shown("deleted_user" if found else "no_user", "users", values, 200 if found else 404)
        values |= {
            "state": state,
            "account": state.account,
            "findings": words.findings(state, visit.words),
            "sessions": [{"seen": each, "device": device(visit, each)} for each in state.sessions],
            "is_self": user_id == visit.claims.user_id,
        }
        return shown("user", "users", values)


def no_user() -> Reply:
    return shown("no_user", "users", {}, status=404)


def _time_line(visit: Visit, user_id: int) -> tuple[list[dict[str, Any]], int | None]:
    with visit.env.db.read() as tx:
        events = audit.page(tx, Wanted(user_id=user_id), SHOWN + 1, visit.id_asked("before"))
        page, more = cut(events, SHOWN, lambda event: event.id)
        names = _names(tx, page)
    return [_shown(visit, event, names) for event in page], more


def _names(tx: Tx, events: Sequence[AnyEvent]) -> dict[int, str]:
    """What to call the administrators who acted and are still there, by their ids."""
    ids = {each for event in events if (each := administrators.id_of(event.actor)) is not None}
    found = (users.find(tx, each) for each in ids)
    return {user.id: user.email for user in found if user is not None}


def _shown(visit: Visit, event: AnyEvent, names: dict[int, str]) -> dict[str, Any]:
    administrator = administrators.id_of(event.actor)
    return {
        "at": event.at,
        "words": words.of_event(event, visit.words),
        "tone": words.tone_of(event),
        "where": event.client_address or "",
        "session": (event.session_id or "")[:SESSION_SHOWN],
        "by": words.by_whom(event.actor, visit.words) if event.actor and administrator is None else "",
        "administrator": administrator,
        "administrator_name": "" if administrator is None else names.get(administrator, ""),
        "reason": event.reason or "",
    }
