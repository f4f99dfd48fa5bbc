"""The first page: what there is to see and to change."""

from doorward.administration import administrators
from doorward.core.clock import SECOND
from doorward.core.errors import Refused
from doorward.factors.overview import Overview, overview
from doorward.http.pages.page import Html, Page, Redirect, Reply
from doorward.http.pages.visit import HOME, Visit
from doorward.sessions import flows as sessions
from doorward.signin.second_factor import RECOVERY_CODE_AMR


class Home(Page):
    """An overview of the account, and renews the session: a person who comes back every week stays signed in."""

    def show(self, visit: Visit) -> Reply:
        sessions.note_use(visit.env, visit.claims)
        _renew(visit)
        factors = overview(visit.env, visit.claims)
        return Html(
            "home",
            {
                "factors": factors,
                "lost": _lost(visit, factors),
                "sessions": len(sessions.living(visit.env, visit.claims)),
                "is_administrator": _is_administrator(visit),
            },
        )

    def act(self, visit: Visit) -> Reply:
        """The person still has the phone: no more is asked of it in this session."""
        visit.cookies.set("has_phone", visit.claims.sid)
        return Redirect(HOME)


def _lost(visit: Visit, factors: Overview) -> str:
    """The method that its user may have lost: the session began by a recovery code, and it was not set up since."""
    claims = visit.claims
    if not set(RECOVERY_CODE_AMR) <= set(claims.amr) or visit.cookies.get("has_phone") == claims.sid:
        return ""
    method, at = ("totp", factors.totp_at) if factors.totp_at else ("email-otp", factors.email_otp_at)
    return method if at is not None and at // SECOND <= claims.auth_time else ""


def _is_administrator(visit: Visit) -> bool:
    with visit.env.db.read() as tx:
        return administrators.is_one(tx, visit.claims.user_id)


def _renew(visit: Visit) -> None:
    # With strict rotation, a lost answer would cost the person the session: it then lasts as long as it began.
    if visit.env.settings.refresh_rotation == "strict":
        return
    try:
        visit.cookies.set("session", sessions.renew(visit.env, visit.claims))
    except Refused:  # ended this very moment: the next page tells
        return
