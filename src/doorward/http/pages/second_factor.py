"""The second step of a sign-in, and the same asked again before something that matters: one page with three ways."""

from collections.abc import Callable
from typing import ClassVar

from doorward.core.client import Client
from doorward.core.errors import BadInput, Refused
from doorward.env import Env
from doorward.factors import email_otp, recovery, totp
from doorward.factors.overview import Overview, overview
from doorward.http.pages.fields import EMPTY_CODE, Mistyped, six_digits, text
from doorward.http.pages.page import CONFIRM, SIGN_IN, Html, Page, Redirect, Reply, to
from doorward.http.pages.sign_in import SECOND_FACTOR, SIGNING_IN, arrived
from doorward.http.pages.visit import Visit
from doorward.i18n import N_
from doorward.signin import second_factor
from doorward.signin.second_factor import Granted
from doorward.tokens.tokens import Claims

RECOVERY_LENGTH = N_("A recovery code has 16 characters. Check that you typed or pasted all of them.")
BY: dict[str, Callable[[Env, Claims, str, Client], Granted]] = {
    "totp": second_factor.by_totp,
    "email-otp": second_factor.by_email_otp,
    "recovery-code": second_factor.by_recovery_code,
}


class SecondFactor(Page):
    """Completes a login. `?method=` chooses the way."""

    needs = "nobody"
    field = "code"
    fields: ClassVar = {
        "TOO_MANY_OTP_EMAILS": "send",
        "EMAIL_OTP_UNINITIALIZED": "send",
        "UNABLE_TO_FIND_MAIL_TEMPLATE": "send",
    }
    at: ClassVar[str] = SECOND_FACTOR

    def who(self, visit: Visit) -> Claims | None:
        """The claims with which a factor may be shown here."""
        return visit.partial

    def show(self, visit: Visit) -> Reply:
        claims = self.who(visit)
        if claims is None:
            return self._nobody(visit)
        active = overview(visit.env, claims)
        ways = _ways(active)
        if not ways:
            return Redirect(visit.next)
        method = _chosen(visit, ways)
        return Html("second_factor", self._values(visit, claims, active, method))

    def act(self, visit: Visit) -> Reply:
        claims = self.who(visit)
        if claims is None:
            return self._nobody(visit)
        method = visit.typed("method")
        granted = BY.get(method, second_factor.by_totp)(visit.env, claims, _code(visit, method), visit.client)
        return self._granted(visit, granted)

    def _granted(self, visit: Visit, granted: Granted) -> Reply:
        if granted.refresh is None:
            raise RuntimeError("a partial token gives a session")
        visit.signed_in(granted.refresh, granted.sudo)
        visit.forget()
        return arrived(visit)

    def _nobody(self, visit: Visit) -> Reply:
        if visit.session is None:
            visit.say("took-too-long")
            return to(SIGN_IN, next=visit.next)
        return Redirect(visit.next)

    def _values(self, visit: Visit, claims: Claims, active: Overview, method: str) -> dict[str, object]:
        wait = email_otp.seconds_to_next_mail(visit.env, claims) if method == "email-otp" else 0
        return {
            "at": self.at,
            "method": method,
            "ways": _ways(active),
            "address": active.email,
            "codes_left": active.recovery_codes_left,
            "mail_wait": wait,
            "guess_wait": _guess_wait(visit.env, claims, method),
            "purpose": "",
            "name": visit.kept(SIGNING_IN).get("name", ""),
        }


class SendCode(SecondFactor):
    """Mails a code for this step."""

    def act(self, visit: Visit) -> Reply:
        claims = self.who(visit)
        if claims is None:
            return self._nobody(visit)
        visit.form["method"] = "email-otp"
        email_otp.challenge(visit.env, claims, visit.mail_choice, visit.client)
        visit.say("code-sent-again")
        return to(self.at, method="email-otp", next=visit.next)


class Confirm(SecondFactor):
    """Step-up within a session; it holds for five minutes."""

    needs = "session"
    at = CONFIRM

    def who(self, visit: Visit) -> Claims | None:
        return visit.session

    def show(self, visit: Visit) -> Reply:
        if visit.sudo is not None:
            return Redirect(visit.next)
        return super().show(visit)

    def _granted(self, visit: Visit, granted: Granted) -> Reply:
        visit.cookies.set("sudo", granted.sudo)
        return Redirect(visit.next)

    def _values(self, visit: Visit, claims: Claims, active: Overview, method: str) -> dict[str, object]:
        return super()._values(visit, claims, active, method) | {"purpose": visit.next}


class SendConfirmCode(SendCode, Confirm):
    """Mails a code for the step-up."""


def _ways(active: Overview) -> list[str]:
    """The methods that are active, the best first."""
    usable = active.methods | ({"recovery-code"} if active.recovery_codes_left else set())
    return [method for method in BY if method in usable]


def _chosen(visit: Visit, ways: list[str]) -> str:
    asked = visit.typed("method") or visit.query.get("method", "")
    return asked if asked in ways else ways[0]


def _code(visit: Visit, method: str) -> str:
    if method != "recovery-code":
        return six_digits(visit)
    try:
        return recovery.normalise(text(visit, "code", EMPTY_CODE))
    except Mistyped:
        raise
    except BadInput:
        raise Mistyped("code", RECOVERY_LENGTH) from None


def _guess_wait(env: Env, claims: Claims, method: str) -> int:
    seconds = {"totp": totp.seconds_to_next_guess, "recovery-code": recovery.seconds_to_next_guess}.get(method)
    try:
        return seconds(env, claims) if seconds else 0
    except Refused:  # taken away meanwhile
        return 0
