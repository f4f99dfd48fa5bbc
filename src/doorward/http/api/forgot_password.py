"""`/v1/auth/forgot-password`: the older door to the password reset, with messages of its own."""

from doorward.core.errors import BadInput, Refused
from doorward.http.api.fields import Address
from doorward.http.operations import Call, Operation
from doorward.http.params import loose_mail_choice
from doorward.passwords import flows as passwords
from doorward.users.names import INVALID_ADDRESS

SHORTEST, LONGEST = 5, 100
MESSAGES = {
    "FORBIDDEN_MAIL_PROVIDER": "Forbidden email provider",
    passwords.RESET_WAIT: "Last password forgot call was too recent",
}


def _forgot(call: Call) -> None:
    if not SHORTEST <= len(call.body.email) <= LONGEST:
        raise BadInput(INVALID_ADDRESS)
    try:
        passwords.send_reset(call.env, call.body.email, loose_mail_choice(call.req), call.client)
    except Refused as refused:
        if refused.code not in MESSAGES:
            raise
        raise Refused(MESSAGES[refused.code], refused.retry_after) from None


OPERATIONS = [
    Operation(
        "POST",
        "/v1/auth/forgot-password",
        _forgot,
        body=Address,
        bad_input="Missing or misformatted query parameter or body",
    )
]
