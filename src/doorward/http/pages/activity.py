"""What happened lately, in words."""

from doorward import audit
from doorward.http.pages.own_sessions import device
from doorward.http.pages.page import Html, Page, Reply
from doorward.http.pages.visit import Visit
from doorward.http.paging import cut
from doorward.i18n import N_
from doorward.sessions import store

SHOWN = 25
ENDED_FROM_LIST = "session.ended/user"
WORDS: dict[str, str] = {
    "user.created": N_("The account was made"),
    "user.invited": N_("You were invited"),
    "user.disabled": N_("The account was disabled by an administrator"),
    "user.enabled": N_("The account was enabled by an administrator"),
    "waits.ended": N_("Waits after wrong passwords or codes were ended by an administrator"),
    "login.succeeded": N_("You signed in"),
    "login.refused": N_("Somebody tried to sign in with a wrong password"),
    "session.ended": N_("You signed out"),
    ENDED_FROM_LIST: N_("You signed out another device"),
    "session.ended/administrator": N_("Sessions were ended by an administrator"),
    "session.reuse_detected": N_("A session was ended because its token was used twice"),
    "second_factor.succeeded": N_("You confirmed it was you"),
    "second_factor.succeeded/totp": N_("You confirmed it was you by your authenticator app"),
    "second_factor.succeeded/email-otp": N_("You confirmed it was you by a code from a mail"),
    "second_factor.succeeded/recovery-code": N_("A recovery code was used"),
    "second_factor.refused": N_("A wrong code was entered"),
    "password.changed": N_("The password was changed"),
    "password.refused": N_("A wrong password was entered to choose a new one"),
    "password.reset_asked": N_("A code for a new password was asked for"),
    "password.reset": N_("The forgotten password was replaced by a new one"),
    "address.changed": N_("The email address was changed"),
    "factor.enabled": N_("A second step was switched on"),
    "factor.enabled/totp": N_("The authenticator app was switched on"),
    "factor.enabled/totp/replaced": N_("The authenticator app was replaced by a new one"),
    "factor.enabled/email-otp": N_("Codes by email were switched on"),
    "factor.disabled": N_("A second step was switched off"),
    "factor.disabled/totp": N_("The authenticator app was switched off"),
    "factor.disabled/email-otp": N_("Codes by email were switched off"),
    "recovery_codes.replaced": N_("New recovery codes were made"),
    "administrator.granted": N_("You were made an administrator"),
    "administrator.revoked": N_("You are no administrator any more"),
}
"""By event, or by event and detail."""
ALARMING = frozenset({"login.refused", "password.refused", "second_factor.refused", "session.reuse_detected"})
"""What its user should look at twice."""


class Activity(Page):
    """The newest events; `?before=` pages on."""

    def show(self, visit: Visit) -> Reply:
        with visit.env.db.read() as tx:
            found = audit.of_user(tx, visit.claims.user_id, SHOWN + 1, visit.id_asked("before"))
            page, more = cut(found, SHOWN, lambda event: event.id)
            ended = [event.session_id for event in page if _key(event) == ENDED_FROM_LIST and event.session_id]
            sessions = store.seen(tx, visit.claims.user_id, ended)
        shown = [_shown(visit, event, sessions) for event in page]
        return Html("activity", {"events": shown, "more": more, "is_first": visit.id_asked("before") is None})


def _shown(visit: Visit, event: audit.Event, sessions: dict[str, store.Seen]) -> dict[str, object]:
    return {
        "at": event.at,
        "words": _words(visit, event, sessions.get(event.session_id or "")),
        "where": event.client_address or "",
        "is_alarming": event.type in ALARMING,
        "is_own": event.session_id == visit.claims.sid,
    }


def _words(visit: Visit, event: audit.Event, ended: store.Seen | None) -> str:
    if ended is not None and _key(event) == ENDED_FROM_LIST:
        return visit.words.gettext("You signed out {device}").replace("{device}", device(visit, ended))
    return visit.words.gettext(WORDS.get(_key(event)) or WORDS[event.type])


def _key(event: audit.Event) -> str:
    return f"{event.type}/{event.detail}"
