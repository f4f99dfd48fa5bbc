"""Email OTP: set up an address, confirm it, mail codes to it, verify them, remove it.

States: none -> pending (set up) -> active (confirmed) -> active with another pending -> active. Codes that confirm a
pending address and codes that authenticate are of different purposes: neither is good for the other.
"""

from doorward import codes, mailing, throttles
from doorward.core.client import Client
from doorward.core.db import Tx
from doorward.core.errors import Refused
from doorward.env import Env
from doorward.factors import common, store
from doorward.mail.notices import MailChoice
from doorward.tokens.tokens import Claims

METHOD = "email-otp"
WAIT_REFUSAL = "TOO_MANY_OTP_EMAILS"


def set_up(env: Env, claims: Claims, address: str, choice: MailChoice, client: Client) -> None:
    """Mail a code to the address, which is pending until it is confirmed.

    Raises BadInput, Refused: FORBIDDEN_MAIL_PROVIDER, TOO_MANY_OTP_EMAILS, UNABLE_TO_FIND_MAIL_TEMPLATE.
    """
    address = mailing.new_address(env, address)
    mailing.require_template(env, "email-otp-setup", choice)
    with env.db.write() as tx:
        mailing.claim(tx, env, "email-otp-setup", str(claims.user_id), mail_key(claims.user_id), WAIT_REFUSAL)
        store.set_pending_email(tx, claims.user_id, address)
        mailing.send_code(
            tx,
            env,
            "email-otp-setup",
            str(claims.user_id),
            user_id=claims.user_id,
            address=address,
            choice=choice,
            client=client,
        )


def enable(env: Env, claims: Claims, code: str, client: Client) -> list[str]:
    """Make the pending address the active one; gives ten recovery codes if it is the first method.

    Raises Refused: EMAIL_OTP_UNINITIALIZED, OTP_INVALID_EXPIRED.
    """
    with env.db.write() as tx:
        common.take_turn(tx, claims)
        pending = store.find_email_otp(tx, claims.user_id).pending_email
        if pending is None:
            raise Refused("EMAIL_OTP_UNINITIALIZED")
        mailed = codes.use(tx, env.vault, "email-otp-setup", str(claims.user_id), code)
        if mailed is not None:
            store.activate_email(tx, claims.user_id, mailed.address)
            # A code that went to the former address is good no more.
            codes.withdraw(tx, "email-otp", str(claims.user_id))
            return common.enabled(tx, env, claims, METHOD, client)
        common.failed(tx, claims, METHOD, client)
    raise Refused("OTP_INVALID_EXPIRED")


def challenge(env: Env, claims: Claims, choice: MailChoice, client: Client) -> None:
    """Mail a code to the active address.

    Raises Refused: EMAIL_OTP_UNINITIALIZED, TOO_MANY_OTP_EMAILS, UNABLE_TO_FIND_MAIL_TEMPLATE.
    """
    mailing.require_template(env, "email-otp", choice)
    with env.db.write() as tx:
        address = store.find_email_otp(tx, claims.user_id).email
        if address is None:
            raise Refused("EMAIL_OTP_UNINITIALIZED")
        mailing.claim(tx, env, "email-otp", str(claims.user_id), mail_key(claims.user_id), WAIT_REFUSAL)
        mailing.send_code(
            tx,
            env,
            "email-otp",
            str(claims.user_id),
            user_id=claims.user_id,
            address=address,
            choice=choice,
            client=client,
        )


def claim(tx: Tx, env: Env, claims: Claims, code: str, client: Client) -> bool:
    """Use the mailed code up; a wrong one is counted. Raises Refused("EMAIL_OTP_INACTIVE")."""
    active = store.find_email_otp(tx, claims.user_id).email
    if active is None:
        raise Refused("EMAIL_OTP_INACTIVE")
    mailed = codes.use(tx, env.vault, "email-otp", str(claims.user_id), code)
    # One that was on its way to the former address while another became the active one is good no more.
    if mailed is None or mailed.address != active:
        common.failed(tx, claims, METHOD, client)
        return False
    common.succeeded(tx, claims, METHOD, client)
    return True


def seconds_to_next_mail(env: Env, claims: Claims) -> int:
    """Raises Refused("EMAIL_OTP_UNINITIALIZED")."""
    with env.db.read() as tx:
        found = store.find_email_otp(tx, claims.user_id)
        if found.email is None and found.pending_email is None:
            raise Refused("EMAIL_OTP_UNINITIALIZED")
        return throttles.seconds_to_next_mail(tx, mail_key(claims.user_id))


def remove(env: Env, claims: Claims, client: Client) -> None:
    """Raises Refused("EMAIL_OTP_ALREADY_INACTIVE")."""
    with env.db.write() as tx:
        common.take_turn(tx, claims)
        if not store.delete_email_otp(tx, claims.user_id):
            raise Refused("EMAIL_OTP_ALREADY_INACTIVE")
        withdraw_codes(tx, claims.user_id)
        common.disabled(tx, env, claims, METHOD, client)


def withdraw_codes(tx: Tx, user_id: int) -> None:
    """Void the codes that were mailed to the user, whichever of the two they are for."""
    for purpose in ("email-otp", "email-otp-setup"):
        codes.withdraw(tx, purpose, str(user_id))


def mail_key(user_id: int) -> str:
    """Where the wait between mails with a code for the second step counts."""
    return f"otp-mail:{user_id}"
