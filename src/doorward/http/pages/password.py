"""Change the password, with the old one."""

from typing import ClassVar

import falcon

from doorward.core.errors import Refused
from doorward.http.pages.fields import Mistyped, texts
from doorward.http.pages.page import Html, Page, Redirect, Reply
from doorward.http.pages.visit import HOME, Visit
from doorward.i18n import N_
from doorward.passwords import flows as passwords

CHANGE = "/account/password"


class Password(Page):
    """The old and the new password; all other sessions end."""

    needs = "step-up"
    field = "new_password"
    fields: ClassVar = {
        "TOO_MANY_FAILED_PASSWORD_CHECKS": "old_password",
        "NO_PASSWORD_INFO": "old_password",
        "OVERLOADED": "",
    }

    def show(self, visit: Visit) -> Reply:
        return Html("password")

    def act(self, visit: Visit) -> Reply:
        old, new = texts(
            visit, old_password=N_("Enter your current password."), new_password=N_("Enter a new password.")
        )
        try:
            passwords.change(visit.env, visit.claims, old, new, visit.client)
        except Refused as refused:
            if refused.code != "PASSWORD_INCORRECT":
                raise
            raise Mistyped("old_password", N_("This is not your current password.")) from None
        visit.say("password-changed")
        return Redirect(HOME)


class WellKnownChange:
    """`/.well-known/change-password`: where password managers look (W3C, A Well-Known URL for Changing Passwords)."""

    def on_get(self, _req: falcon.Request, _resp: falcon.Response) -> None:
        raise falcon.HTTPFound(CHANGE)
