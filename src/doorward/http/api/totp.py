"""`/user/2fa/totp`: an authenticator app as a second factor."""

import msgspec

from doorward.factors import totp
from doorward.http.api.fields import Code
from doorward.http.api.two_fa import granted
from doorward.http.bodies import NoFields
from doorward.http.operations import ACCESS, SECOND_FACTOR, SUDO, SUDO_OR_ACCESS, Call, Operation
from doorward.signin import second_factor


class TotpCode(msgspec.Struct):
    totp: Code


def _setup(call: Call) -> dict[str, str]:
    return {"url": totp.set_up(call.env, call.claims)}


def _enable(call: Call) -> dict[str, list[str]]:
    return {"recoveryCodes": totp.enable(call.env, call.claims, call.body.totp, call.client)}


def _authenticate(call: Call) -> dict[str, str]:
    return granted(second_factor.by_totp(call.env, call.claims, call.body.totp, call.client))


def _next_guess(call: Call) -> dict[str, int]:
    return {"duration": totp.seconds_to_next_guess(call.env, call.claims)}


def _remove(call: Call) -> None:
    totp.remove(call.env, call.claims, call.client)


ROOT = "/user/2fa/totp"
OPERATIONS = [
    Operation("POST", f"{ROOT}/setup", _setup, SUDO_OR_ACCESS, NoFields),
    Operation("POST", f"{ROOT}/enable", _enable, ACCESS, TotpCode),
    Operation("POST", f"{ROOT}/authenticate", _authenticate, SECOND_FACTOR, TotpCode),
    Operation("GET", f"{ROOT}/next-guess", _next_guess, SECOND_FACTOR),
    Operation("DELETE", ROOT, _remove, SUDO),
]
