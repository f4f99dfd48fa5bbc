"""`/user/2fa/email-otp`: codes by mail as a second factor."""

from doorward.factors import email_otp
from doorward.http.api.fields import Address, Otp
from doorward.http.api.two_fa import granted
from doorward.http.bodies import NoFields
from doorward.http.operations import ACCESS, SECOND_FACTOR, SUDO, SUDO_OR_ACCESS, Call, Operation
from doorward.http.params import mail_choice
from doorward.signin import second_factor


def _setup(call: Call) -> None:
    email_otp.set_up(call.env, call.claims, call.body.email, mail_choice(call.req), call.client)


def _enable(call: Call) -> dict[str, list[str]]:
    return {"recoveryCodes": email_otp.enable(call.env, call.claims, call.body.otp, call.client)}


def _challenge(call: Call) -> None:
    email_otp.challenge(call.env, call.claims, mail_choice(call.req), call.client)


def _authenticate(call: Call) -> dict[str, str]:
    return granted(second_factor.by_email_otp(call.env, call.claims, call.body.otp, call.client))


def _next_email(call: Call) -> dict[str, int]:
    return {"duration": email_otp.seconds_to_next_mail(call.env, call.claims)}


def _remove(call: Call) -> None:
    email_otp.remove(call.env, call.claims, call.client)


ROOT = "/user/2fa/email-otp"
OPERATIONS = [
    Operation("POST", f"{ROOT}/setup", _setup, SUDO_OR_ACCESS, Address),
    Operation("POST", f"{ROOT}/enable", _enable, ACCESS, Otp),
    Operation("POST", f"{ROOT}/challenge", _challenge, SECOND_FACTOR, NoFields),
    Operation("POST", f"{ROOT}/authenticate", _authenticate, SECOND_FACTOR, Otp),
    Operation("GET", f"{ROOT}/next-email", _next_email, SECOND_FACTOR),
    Operation("DELETE", ROOT, _remove, SUDO),
]
