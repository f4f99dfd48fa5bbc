"""Where the user is signed in, and an end to it."""

import re

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
        rows = [{"seen": each, "device": device(visit, each), "is_own": each.id == own} for each in found]
        return Html("sessions", {"rows": rows})

    def act(self, visit: Visit) -> Reply:
        session_id = visit.typed("session")
        if session_id == "":
            sessions.end_others(visit.env, visit.claims, visit.client)
            visit.say("others-ended")
            return Redirect(SESSIONS)
        if re.fullmatch(sessions.SESSION_ID, session_id):
            sessions.end_one(visit.env, visit.claims, session_id, visit.client)
        if session_id == visit.claims.sid:
            visit.signed_out()
            visit.say("signed-out")
            return Redirect(SIGN_IN)
        visit.say("session-ended")
        return Redirect(SESSIONS)


def device(visit: Visit, seen: Seen) -> str:
    """What people call the device, else what it calls itself."""
    browser, system = browser_and_system(seen.user_agent)
    if browser and system:
        words = visit.words.gettext("{browser} on {system}")
        return words.replace("{browser}", browser).replace("{system}", system)
    return browser or system or one_line(seen.user_agent, LONGEST_DEVICE) or visit.words.gettext("Unknown device")
