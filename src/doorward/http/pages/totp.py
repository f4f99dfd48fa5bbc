"""An authenticator app: set up, remove."""

from urllib.parse import parse_qs, urlsplit

import segno

from doorward.factors import totp
from doorward.factors.overview import overview
from doorward.http.pages.fields import six_digits
from doorward.http.pages.page import Html, Page, Redirect, Reply
from doorward.http.pages.recovery_codes import shown_once
from doorward.http.pages.visit import HOME, Visit

TOTP = "/account/totp"
SET_UP = "/account/totp/set-up"


class Totp(Page):
    """Whether it is active; begins the set-up."""

    needs = "step-up"

    def show(self, visit: Visit) -> Reply:
        return Html("totp", {"factors": overview(visit.env, visit.claims)})

    def act(self, visit: Visit) -> Reply:
        totp.set_up(visit.env, visit.claims)
        return Redirect(SET_UP)


class SetUp(Page):
    """The QR code and the secret as text; takes a first code."""

    needs = "step-up"
    field = "code"

    def show(self, visit: Visit) -> Reply:
        url = totp.find_pending_url(visit.env, visit.claims)
        if url is None:
            return Redirect(TOTP)
        return Html("totp_set_up", {"qr": _svg(url), "url": url, "secret": _secret(url)})

    def act(self, visit: Visit) -> Reply:
        codes = totp.enable(visit.env, visit.claims, six_digits(visit), visit.client)
        visit.say("totp-enabled")
        return shown_once(visit, codes)


class Remove(Page):
    """Asks once more, then removes it."""

    needs = "step-up"

    def show(self, visit: Visit) -> Reply:
        active = overview(visit.env, visit.claims)
        if active.totp_at is None:
            return Redirect(TOTP)
        return Html("remove", {"what": "totp", "is_last": active.email_otp_at is None, "back": TOTP})

    def act(self, visit: Visit) -> Reply:
        totp.remove(visit.env, visit.claims, visit.client)
        visit.say("totp-disabled")
        return Redirect(HOME)


def _svg(url: str) -> str:
    """The path of the QR code's dark modules, and the side of its square."""
    code = segno.make_qr(url, error="m")
    return code.svg_inline(border=4, omitsize=True, svgclass="qr", lineclass=None, dark="#000", light="#fff")


def _secret(url: str) -> str:
    secret = parse_qs(urlsplit(url).query)["secret"][0]
    return " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))
