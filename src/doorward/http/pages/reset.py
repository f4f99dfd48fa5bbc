"""Reset of a forgotten password: the address, the code that was mailed to it, the new password."""

from typing import ClassVar

from doorward.core.errors import Refused
from doorward.http.pages.fields import Mistyped, expired_or, six_digits, text
from doorward.http.pages.page import SIGN_IN, Html, Page, Redirect, Reply
from doorward.http.pages.visit import Visit
from doorward.i18n import N_
from doorward.passwords import flows as passwords
from doorward.throttles import MAIL_INTERVAL

RESET = "/account/reset"
CODE = "/account/reset/code"
NEW = "/account/reset/password"
KIND = "reset"
ENTER_ADDRESS = N_("Enter your email address.")


class Reset(Page):
    """Asks for the address. An unknown one gets the same next page."""

    needs = "nobody"
    field = "email"

    def show(self, visit: Visit) -> Reply:
        return Html("reset", {"email": visit.typed("email") or visit.kept(KIND).get("email", "")})

    def act(self, visit: Visit) -> Reply:
        return _send(visit, text(visit, "email", ENTER_ADDRESS))


class ResetCode(Page):
    """Asks for the code; for the address too where that is not remembered, as after a link in a mail."""

    needs = "nobody"
    field = "code"
    fields: ClassVar = {"Invalid email address": "email", "TOO_MANY_RESET_MAIL_ATTEMPTS": "send"}

    def show(self, visit: Visit) -> Reply:
        kept = visit.kept(KIND)
        wait = max(0, kept.get("sent_at", 0) + MAIL_INTERVAL - visit.env.clock.now_ms())
        return Html("reset_code", {"email": kept.get("email", ""), "mail_wait": -(-wait // 1000)})

    def act(self, visit: Visit) -> Reply:
        email = _address(visit)
        code = six_digits(visit)
        try:
            passwords.check_reset(visit.env, email, code)
        except Refused as refused:
            raise expired_or(refused, visit, visit.kept(KIND).get("sent_at")) from None
        visit.keep(KIND, email=email, code=code)
        return Redirect(NEW)


class ResetSendAgain(ResetCode):
    """Mails another code."""

    def act(self, visit: Visit) -> Reply:
        reply = _send(visit, _address(visit))
        visit.say("reset-code-sent-again")
        return reply


class ResetPassword(Page):
    """Asks for the new password, once the code was right."""

    needs = "nobody"
    field = "new_password"

    def show(self, visit: Visit) -> Reply:
        kept = visit.kept(KIND)
        if "code" not in kept:
            return Redirect(CODE)
        return Html("reset_password", {"email": kept["email"]})

    def act(self, visit: Visit) -> Reply:
        kept = visit.kept(KIND)
        if "code" not in kept:
            visit.say("reset-took-too-long")
            return Redirect(RESET)
        new = visit.typed("new_password")
        if not new:
            raise Mistyped("new_password", N_("Enter a new password."))
        try:
            passwords.reset(visit.env, kept["email"], kept["code"], new, visit.client)
        except Refused as refused:
            if refused.code != "OTP_INVALID_EXPIRED":
                raise
            visit.say("reset-took-too-long")
            return Redirect(RESET)
        visit.signed_out()
        visit.say("password-reset")
        return Redirect(SIGN_IN)


def _address(visit: Visit) -> str:
    return str(visit.kept(KIND).get("email") or text(visit, "email", ENTER_ADDRESS))


def _send(visit: Visit, email: str) -> Reply:
    passwords.send_reset(visit.env, email, visit.mail_choice, visit.client)
    visit.keep(KIND, email=email.strip(), sent_at=visit.env.clock.now_ms())
    return Redirect(CODE)
