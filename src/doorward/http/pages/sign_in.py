"""Sign in with a password, sign out."""

from typing import ClassVar

from doorward.core.errors import Refused
from doorward.factors import email_otp
from doorward.factors.overview import overview
from doorward.http.pages.fields import texts
from doorward.http.pages.page import SIGN_IN, Html, Page, Redirect, Reply, to
from doorward.http.pages.visit import HOME, Visit
from doorward.i18n import N_
from doorward.sessions import flows as sessions
from doorward.signin.login import login

SECOND_FACTOR = "/account/second-factor"
SIGNING_IN = "sign-in"


class SignIn(Page):
    """Name and password; then on to the second factor, the app, or the page that the person was going to."""

    needs = "nobody"
    field = "password"
    fields: ClassVar = {"TOO_MANY_FAILED_PASSWORD_CHECKS": "password", "OVERLOADED": ""}

    def show(self, visit: Visit) -> Reply:
        if visit.session is not None:
            return arrived(visit)
        return Html("sign_in")

    def act(self, visit: Visit) -> Reply:
        name, password = texts(
            visit, username=N_("Enter your email address or username."), password=N_("Enter your password.")
        )
        done = login(visit.env, name, password, visit.client)
        if done.use == "refresh":
            visit.signed_in(done.token)
            return arrived(visit)
        visit.cookies.set("partial", done.token)
        # What was typed, and no more: its holder has shown the password alone.
        visit.keep(SIGNING_IN, name=name.strip())
        return to(SECOND_FACTOR, method=_mailed(visit), next=visit.next)


class SignOut(Page):
    """End this browser's session."""

    needs = "nobody"

    def show(self, visit: Visit) -> Reply:
        return Redirect(HOME)

    def act(self, visit: Visit) -> Reply:
        if visit.session is not None:
            sessions.logout(visit.env, visit.session, visit.client)
        visit.signed_out()
        visit.say("signed-out")
        return to(SIGN_IN, next=visit.next)


def arrived(visit: Visit) -> Redirect:
    """Where a person who has signed in goes: to the page they wanted, back to the app, or to the first page."""
    if visit.next != HOME:
        return Redirect(visit.next)
    return Redirect(visit.returned() or HOME)


def _mailed(visit: Visit) -> str:
    """Mail the code at once where there is no other way; gives the method then, else nothing."""
    claims = visit.partial
    if claims is None:
        return ""
    active = overview(visit.env, claims)
    if active.totp_at is not None or active.email_otp_at is None:
        return ""
    try:
        email_otp.challenge(visit.env, claims, visit.mail_choice, visit.client)
    except Refused as refused:
        if refused.code != email_otp.WAIT_REFUSAL:
            raise
    return "email-otp"
