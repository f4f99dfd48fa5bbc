"""Where the user is signed in, and an end to it."""

from collections import Counter

from doorward.core.clock import MINUTE
from doorward.core.devices import browser_and_system
from doorward.http.pages.page import SIGN_IN, Html, Page, Redirect, Reply
from doorward.http.pages.visit import Visit
from doorward.mail.message import one_line
from doorward.sessions import flows as sessions
from doorward.sessions.store import Seen

SESSIONS = "/account/sessions"
LONGEST_DEVICE = 80


class OwnSessions(Page):
    """The list; ends one, or all others."""

    def show(self, visit: Visit) -> Reply:
        sessions.note_use(visit.env, visit.claims)
        own = visit.claims.sid
        found = sorted(sessions.living(visit.env, visit.claims), key=lambda each: each.id != own)
        looks = Counter(_looks(each) for each in found)
        rows = [
            {
                "seen": each,
                "device": device(visit, each),
                "is_own": each.id == own,
                "has_twin": looks[_looks(each)] > 1,
            }
            for each in found
        ]
        return Html("sessions", {"rows": rows})

    def act(self, visit: Visit) -> Reply:
        session_id = visit.typed("session")
        if session_id == "":
            sessions.end_others(visit.env, visit.claims, visit.client)
            visit.say("others-ended")
            return Redirect(SESSIONS)
        ended = next((each for each in sessions.living(visit.env, visit.claims) if each.id == session_id), None)
        if ended is not None:
            sessions.end_one(visit.env, visit.claims, session_id, visit.client)
        if session_id == visit.claims.sid:
            visit.signed_out()
            visit.say("signed-out")
            return Redirect(SIGN_IN)
        if ended is None:
            visit.say("session-ended")
        else:
            visit.say("device-signed-out", device(visit, ended))
        return Redirect(SESSIONS)


def _looks(seen: Seen) -> tuple[str, str, int]:
    """What people tell a session by, the time to the minute."""
    return seen.user_agent, seen.client_address, seen.created_at // MINUTE


def device(visit: Visit, seen: Seen) -> str:
    """What people call the device, else what it calls itself."""
    browser, system = browser_and_system(seen.user_agent)
    if browser and system:
        words = visit.words.gettext("{browser} on {system}")
        return words.replace("{browser}", browser).replace("{system}", system)
    return browser or system or one_line(seen.user_agent, LONGEST_DEVICE) or visit.words.gettext("Unknown device")
