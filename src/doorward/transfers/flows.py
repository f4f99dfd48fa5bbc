"""A code goes to the new address; with it the transfer completes and the old address is told.

Whether the new address has an account is told only to who can read its mail.
"""

from doorward import audit, codes, mailing
from doorward.core.client import Client
from doorward.core.errors import Refused
from doorward.env import Env
from doorward.mail.notices import MailChoice
from doorward.tokens.tokens import Claims
from doorward.users import store as users
from doorward.users.names import mask


class _AddressTaken(Exception):
    """Undoes the transfer's transaction."""


def initiate(env: Env, claims: Claims, address: str, choice: MailChoice, client: Client) -> None:
    """Mail a code to the new address.

    Raises BadInput, Refused: FORBIDDEN_MAIL_PROVIDER, TOO_MANY_TRANSFER_ATTEMPTS, UNABLE_TO_FIND_MAIL_TEMPLATE.
    """
    address = mailing.new_address(env, address)
    mailing.require_template(env, "transfer", choice)
    with env.db.write() as tx:
        mailing.claim(
            tx, env, "transfer", str(claims.user_id), f"transfer-mail:{claims.user_id}", "TOO_MANY_TRANSFER_ATTEMPTS"
        )
        mailing.send_code(
            tx,
            env,
            "transfer",
            str(claims.user_id),
            user_id=claims.user_id,
            address=address,
            choice=choice,
            client=client,
        )


def find_pending_address(env: Env, claims: Claims) -> str | None:
    """The new address whose code can still complete a transfer; None where there is none."""
    with env.db.read() as tx:
        newest = codes.find_newest(tx, "transfer", str(claims.user_id))
        return newest.address if newest and not newest.is_void and newest.expires_at > tx.now else None


def complete(env: Env, claims: Claims, code: str, client: Client) -> None:
    """Move the account to the address that the code was mailed to.

    Raises Refused: OTP_INVALID_EXPIRED, NEW_EMAIL_ALREADY_IN_USE.
    """
    try:
        done = _complete(env, claims, code, client)
    except _AddressTaken:
        # The transfer is undone whole; what stays of it is that its code is used up.
        with env.db.write() as tx:
            codes.withdraw(tx, "transfer", str(claims.user_id))
        raise Refused("NEW_EMAIL_ALREADY_IN_USE") from None
    if not done:
        raise Refused("OTP_INVALID_EXPIRED")


def _complete(env: Env, claims: Claims, code: str, client: Client) -> bool:
    with env.db.write() as tx:
        mailed = codes.use(tx, env.vault, "transfer", str(claims.user_id), code)
        user = users.find(tx, claims.user_id)
        if mailed is None or user is None:
            return False
        if not users.set_email(tx, user, mailed.address):
            raise _AddressTaken
        audit.record(tx, "address.changed", user_id=user.id, session_id=claims.sid, client_address=client.address)
        new = mask(mailed.address)
        mailing.tell(tx, env, user.email, user.language, "address-changed", client, address=new)
        return True
