"""`/user/email`: move the account to another address."""

from doorward.http.api.fields import Address, Otp
from doorward.http.operations import ACCESS, SUDO_OR_ACCESS, Call, Operation
from doorward.http.params import mail_choice
from doorward.transfers import flows as transfers


def _initiate(call: Call) -> None:
    transfers.initiate(call.env, call.claims, call.body.email, mail_choice(call.req), call.client)


def _complete(call: Call) -> None:
    transfers.complete(call.env, call.claims, call.body.otp, call.client)


OPERATIONS = [
    Operation("POST", "/user/email/initiate", _initiate, SUDO_OR_ACCESS, Address),
    Operation("PUT", "/user/email", _complete, ACCESS, Otp),
]
