"""`/user/2fa/recovery-code`: the codes for when the other factors are lost."""

import msgspec

from doorward.factors import recovery
from doorward.http.api.two_fa import granted
from doorward.http.bodies import NoFields
from doorward.http.operations import SECOND_FACTOR, SUDO, Call, Operation
from doorward.signin import second_factor


class RecoveryCode(msgspec.Struct):
    # Its length is counted after separators are taken out: see `doorward.factors.recovery`.
    recoveryCode: str  # noqa: N815 -- the contract's name


def _reset(call: Call) -> dict[str, list[str]]:
    return {"recoveryCodes": recovery.replace(call.env, call.claims, call.client)}


def _authenticate(call: Call) -> dict[str, str]:
    return granted(second_factor.by_recovery_code(call.env, call.claims, call.body.recoveryCode, call.client))


def _next_guess(call: Call) -> dict[str, int]:
    return {"duration": recovery.seconds_to_next_guess(call.env, call.claims)}


ROOT = "/user/2fa/recovery-code"
OPERATIONS = [
    Operation("POST", f"{ROOT}/reset", _reset, SUDO, NoFields),
    Operation("POST", f"{ROOT}/authenticate", _authenticate, SECOND_FACTOR, RecoveryCode),
    Operation("GET", f"{ROOT}/next-guess", _next_guess, SECOND_FACTOR),
]
