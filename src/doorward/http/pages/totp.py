"""An authenticator app: set up, remove."""

from urllib.parse import parse_qs, urlsplit

import segno

from doorward.core.errors import Refused
from doorward.factors import totp
from doorward.factors.overview import overview
from doorward.http.pages import factor
from doorward.http.pages.fields import Mistyped
from doorward.http.pages.page import Html, Page, Reply, to
from doorward.http.pages.visit import Visit
from doorward.i18n import N_

TOTP = "/account/totp"
SET_UP = "/account/totp/set-up"
NO_MATCH = N_("That code doesn’t match. Use the newest {name} entry in your app; if there is none, scan again.")
FACTOR = factor.Factor(totp.METHOD, TOTP, totp.enable, totp.remove)


class Totp(Page):
    """Whether it is active; begins the set-up, after which `?next=` goes on. The console sends people here so."""

    needs = "step-up"

    def show(self, visit: Visit) -> Reply:
        return Html("totp", {"factors": overview(visit.env, visit.claims)})

    def act(self, visit: Visit) -> Reply:
        totp.set_up(visit.env, visit.claims)
        return to(SET_UP, next=visit.next)


class SetUp(factor.SetUp):
    """The QR code and the secret as text; takes a first code."""

    factor = FACTOR

    def act(self, visit: Visit) -> Reply:
        try:
            return super().act(visit)
        except Refused as refused:
            if refused.code != "TOTP_INCORRECT":
                raise
            raise Mistyped("code", NO_MATCH, name=visit.env.settings.issuer_name) from None

    def show(self, visit: Visit) -> Reply:
        url = totp.find_pending_url(visit.env, visit.claims)
        if url is None:
            return to(TOTP, next=visit.next)
        return Html(
            "totp_set_up",
            {"qr": _svg(url), "url": url, "secret": _secret(url), "factors": overview(visit.env, visit.claims)},
        )


class Remove(factor.Remove):
    factor = FACTOR


def _svg(url: str) -> str:
    """The path of the QR code's dark modules, and the side of its square."""
    code = segno.make_qr(url, error="m")
    return code.svg_inline(border=4, omitsize=True, svgclass="qr", lineclass=None, dark="#000", light="#fff")


def _secret(url: str) -> str:
    secret = parse_qs(urlsplit(url).query)["secret"][0]
    return " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))
