"""`/user/password`: change a password, or reset a forgotten one."""

import msgspec

from doorward.http.api.fields import Address, Code, Password
from doorward.http.operations import SUDO_OR_ACCESS, Call, Operation
from doorward.http.params import mail_choice
from doorward.passwords import flows as passwords

# The fields' names are the contract's.
# ruff: noqa: N815


class Change(msgspec.Struct):
    oldPassword: Password
    # Its rules have messages of their own: see `doorward.passwords.rules`.
    newPassword: str


class ResetCode(msgspec.Struct):
    email: str
    otp: Code


class Reset(msgspec.Struct):
    userEmail: str
    otp: Code
    newPassword: str


def _change(call: Call) -> None:
    passwords.change(call.env, call.claims, call.body.oldPassword, call.body.newPassword, call.client)


def _send(call: Call) -> None:
    passwords.send_reset(call.env, call.body.email, mail_choice(call.req), call.client)


def _validate(call: Call) -> None:
    passwords.check_reset(call.env, call.body.email, call.body.otp)


def _reset(call: Call) -> None:
    passwords.reset(call.env, call.body.userEmail, call.body.otp, call.body.newPassword, call.client)


OPERATIONS = [
    Operation("PUT", "/user/password/old-password", _change, SUDO_OR_ACCESS, Change),
    Operation("POST", "/user/password/reset/send", _send, body=Address),
    Operation("POST", "/user/password/reset/validate", _validate, body=ResetCode),
    Operation("PUT", "/user/password/otp", _reset, body=Reset),
]
