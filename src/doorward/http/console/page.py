"""What all pages of the console are made of: who is let in, and in which order a visitor is asked for what."""

from typing import Any, ClassVar

import falcon

from doorward.administration import administrators
from doorward.administration.reasons import LONGEST_REASON, one_line
from doorward.audit import By
from doorward.factors import store as factors
from doorward.http.pages.fields import Mistyped
from doorward.http.pages.page import CONFIRM, SIGN_IN, Html, Page, Reply, to
from doorward.http.pages.visit import Visit
from doorward.http.paging import ID
from doorward.i18n import N_
from doorward.signin import second_factor

CONSOLE = "/admin"
USERS = "/admin/users"
SET_UP = "/account/totp"
NO_REASON = N_("Say why, in one line. It is kept with the event, for other administrators to read.")
LONG_REASON = N_("This reason is too long: it can have 500 characters at most.")


class ConsolePage(Page):
    """A page for administrators. To everybody else who is signed in, there is none at its address."""

    def admit(self, visit: Visit) -> None:
        """Raises falcon.HTTPNotFound. The role is read anew, so that one taken away is gone on every server."""
        if visit.session is None:
            return
        with visit.env.db.read() as tx:
            is_administrator = administrators.is_one(tx, visit.session.user_id)
        if not is_administrator:
            raise falcon.HTTPNotFound

    def _missing(self, visit: Visit) -> Reply | None:
        """Signed in, with a second factor, in this session; and for some pages shown again in the last minutes."""
        if visit.session is None:
            return to(SIGN_IN, next=visit.path)
        with visit.env.db.read() as tx:
            has_factor = factors.has_active(tx, visit.session.user_id)
        if not has_factor:
            return to(SET_UP, next=visit.path)
        if not second_factor.was_shown(visit.session):
            return shown("sign_in_again", "", {}, status=403)
        if self.needs == "step-up" and visit.sudo is None:
            return to(CONFIRM, next=visit.path)
        return None


class ActPage(ConsolePage):
    """Asks why, and does something that the event tells of."""

    needs: ClassVar[str] = "step-up"
    field = "reason"


def shown(template: str, section: str, values: dict[str, Any], status: int = 200) -> Html:
    """A page of the console; `section` is what of its menu it belongs to."""
    return Html(f"console/{template}", {"home": CONSOLE, "section": section, "q": ""} | values, status)


def id_in(visit: Visit, name: str) -> int:
    """The id that the path holds. Raises falcon.HTTPNotFound where it can be none."""
    if not ID.fullmatch(visit.place[name]):
        raise falcon.HTTPNotFound
    return int(visit.place[name])


def by(visit: Visit) -> By:
    """Who acts, and why. Raises Mistyped at the reason's field."""
    typed = visit.typed("reason")
    reason = one_line(typed)
    if reason is None:
        raise Mistyped("reason", LONG_REASON if len(typed.strip()) > LONGEST_REASON else NO_REASON)
    return administrators.acting(visit.claims.user_id, reason, visit.client)
