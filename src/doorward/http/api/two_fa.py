"""`/user/2fa`: which second factors are active; and what all their *authenticate* calls answer."""

from typing import Any

from doorward.core.clock import iso
from doorward.factors.overview import overview
from doorward.http.operations import SECOND_FACTOR, Call, Operation
from doorward.signin.second_factor import Granted


def granted(result: Granted) -> dict[str, str]:
    """The tokens that a completed second factor gives: all three after a login, a sudo token within a session."""
    if result.access is None or result.refresh is None:
        return {"sudoToken": result.sudo}
    return {"accessToken": result.access, "refreshToken": result.refresh, "sudoToken": result.sudo}


def _overview(call: Call) -> dict[str, Any]:
    found = overview(call.env, call.claims)
    answer: dict[str, Any] = {"enabled": found.enabled}
    if found.email_otp_at is not None:
        answer["emailOtp"] = {"completedAt": iso(found.email_otp_at), "email": found.email}
    if found.totp_at is not None:
        answer["totp"] = {"completedAt": iso(found.totp_at)}
    if found.recovery_codes_at is not None:
        answer["recoveryCodes"] = {"completedAt": iso(found.recovery_codes_at)}
    return answer


OPERATIONS = [Operation("GET", "/user/2fa", _overview, SECOND_FACTOR, too_long_is_bad_input=False)]
