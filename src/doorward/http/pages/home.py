"""The first page: what there is to see and to change."""

from doorward.administration import administrators
from doorward.core.errors import Refused
from doorward.factors.overview import overview
from doorward.http.pages.page import Html, Page, Reply
from doorward.http.pages.visit import Visit
from doorward.sessions import flows as sessions


class Home(Page):
    """An overview of the account, and renews the session: a person who comes back every week stays signed in."""

    def show(self, visit: Visit) -> Reply:
        sessions.note_use(visit.env, visit.claims)
        _renew(visit)
        return Html(
            "home",
            {
                "factors": overview(visit.env, visit.claims),
                "sessions": len(sessions.living(visit.env, visit.claims)),
                "is_administrator": _is_administrator(visit),
            },
        )


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
