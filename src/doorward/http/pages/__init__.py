"""The account pages: the same flows as the API's, for people with a browser (docs/decisions/0010-pages.md)."""

from typing import Any

import falcon

from doorward.env import Env
from doorward.http.arrivals import Arrivals
from doorward.http.clients import ClientAddresses
from doorward.http.pages import (
    activity,
    address,
    email_otp,
    home,
    language,
    looks,
    own_sessions,
    password,
    recovery_codes,
    reset,
    second_factor,
    sign_in,
    totp,
)
from doorward.http.pages.page import Page

PAGES: dict[str, type[Page]] = {
    "": home.Home,
    "/sign-in": sign_in.SignIn,
    "/sign-out": sign_in.SignOut,
    "/second-factor": second_factor.SecondFactor,
    "/second-factor/send": second_factor.SendCode,
    "/confirm": second_factor.Confirm,
    "/confirm/send": second_factor.SendConfirmCode,
    "/reset": reset.Reset,
    "/reset/code": reset.ResetCode,
    "/reset/send": reset.ResetSendAgain,
    "/reset/password": reset.ResetPassword,
    "/password": password.Password,
    "/totp": totp.Totp,
    "/totp/set-up": totp.SetUp,
    "/totp/remove": totp.Remove,
    "/email-otp": email_otp.EmailOtp,
    "/email-otp/code": email_otp.Code,
    "/email-otp/send": email_otp.SendAgain,
    "/email-otp/remove": email_otp.Remove,
    "/recovery-codes": recovery_codes.RecoveryCodes,
    "/recovery-codes/new": recovery_codes.NewCodes,
    "/recovery-codes/download": recovery_codes.Download,
    "/email": address.Address,
    "/email/code": address.Code,
    "/email/send": address.SendAgain,
    "/sessions": own_sessions.OwnSessions,
    "/activity": activity.Activity,
    "/language": language.Language,
}
"""By path below /account."""
FOR_EVER = "public, max-age=31536000, immutable"


class Asset:
    """One of the pages' files. Its address names its content."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._content = looks.asset(name)

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        resp.set_header("Cache-Control", FOR_EVER)
        resp.content_type = looks.ASSETS[self._name]
        resp.data = self._content


class Colours:
    """A brand's colours, over those of the style sheet."""

    def __init__(self, env: Env) -> None:
        self._brands = env.mails.brands

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.set_header("Cache-Control", FOR_EVER)
        resp.content_type = looks.ASSETS["pages.css"]
        resp.data = looks.colours(self._brands.find(req.get_param("origin")))


class Logo:
    """A brand's logo. A drawing may bring its styles along, and nothing else."""

    def __init__(self, env: Env) -> None:
        self._brands = env.mails.brands

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        logo = self._brands.find(req.get_param("origin")).logo
        if logo is None:
            raise falcon.HTTPNotFound
        resp.set_header("Cache-Control", FOR_EVER)
        resp.set_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")
        resp.content_type = logo.content_type
        resp.data = logo.content


def add_routes(app: falcon.App[Any, Any], env: Env, addresses: ClientAddresses, arrivals: Arrivals) -> None:
    for path, page in PAGES.items():
        app.add_route(f"/account{path}", page(env, addresses, arrivals))
    for name in looks.ASSETS:
        app.add_route(f"/account/assets/{name}", Asset(name))
    app.add_route("/account/colours.css", Colours(env))
    app.add_route("/account/logo", Logo(env))
    app.add_route("/.well-known/change-password", password.WellKnownChange())
