"""Change a password with the old one, and reset a forgotten one with a mailed code.

A reset never gets round the second factor: it changes the password and ends every session, and the next login asks for
the second factor as ever. Whether an account exists shows in nothing: an unknown address gets the same row, the same
wait and the same work.
"""

from doorward import audit, codes, mailing, throttles
from doorward.core.client import Client
from doorward.core.db import Tx
from doorward.core.errors import Refused
from doorward.env import Env
from doorward.factors import store as factors
from doorward.mail.notices import MailChoice
from doorward.passwords import guesses
from doorward.passwords.rules import require_strong, require_unknown
from doorward.sessions import store as sessions
from doorward.tokens.tokens import Claims
from doorward.users import names
from doorward.users import store as users
from doorward.users.names import key
from doorward.users.store import User

RESET_WAIT = "TOO_MANY_RESET_MAIL_ATTEMPTS"


def change(env: Env, claims: Claims, old: str, new: str, client: Client) -> None:
    """Change the password; every other session of the user ends.

    Raises BadInput, Refused: PASSWORD_INCORRECT, TOO_MANY_FAILED_PASSWORD_CHECKS, NO_PASSWORD_INFO, OVERLOADED.
    """
    require_strong(env.settings, new)
    with env.db.read() as tx:
        user = users.find(tx, claims.user_id)
        if user is None:
            raise Refused("TOKEN_REVOKED")
        if user.password_hash is None:
            raise Refused("NO_PASSWORD_INFO")
        keys = guesses.throttle_keys(tx, env, user, user.username, client)
        throttles.refuse_while_waiting(tx, throttles.PASSWORD, *keys)
        has_factor = factors.has_active(tx, user.id)
    # Before the old password is judged: what is said of the new one must tell nothing of a guess that is not counted.
    require_strong(env.settings, new, has_factor=has_factor)
    require_unknown(env, new, user.username, user.email)
    right = env.hasher.verify(user.password_hash, old)
    new_hash = env.hasher.hash(new) if right else ""
    with env.db.write() as tx:
        users.find(tx, user.id, lock="update")
        waits = guesses.settle(tx, keys, right=right)
        if right and users.set_password(tx, user, new_hash):
            sessions.end_all(tx, user.id, keep=claims.sid)
            _note(tx, env, user, "password.changed", "password-changed", client, claims.sid)
            return
        audit.record(
            tx,
            "password.refused",
            user_id=user.id,
            session_id=claims.sid,
            client_address=client.address,
            detail=audit.WAIT if waits else None,
        )
    raise Refused("PASSWORD_INCORRECT")


def send_reset(env: Env, address: str, choice: MailChoice, client: Client) -> None:
    """Mail a reset code to the address if it has an account.

    Raises BadInput, Refused: FORBIDDEN_MAIL_PROVIDER, TOO_MANY_RESET_MAIL_ATTEMPTS, UNABLE_TO_FIND_MAIL_TEMPLATE.
    """
    address = mailing.new_address(env, address)
    mailing.require_template(env, "reset", choice)
    subject = key(address)
    with env.db.write() as tx:
        mailing.claim(tx, env, "reset", subject, mail_key(env, subject), RESET_WAIT)
        user = users.find_by_email(tx, address)
        if user is not None and user.disabled_at is not None:
            user = None
        mailing.send_code(
            tx,
            env,
            "reset",
            subject,
            user_id=user.id if user else None,
            # The account's own address, never the typed one: they may differ in case.
            address=user.email if user else address,
            choice=choice,
            client=client,
        )
        audit.record(tx, "password.reset_asked", user_id=user.id if user else None, client_address=client.address)


def check_reset(env: Env, address: str, code: str) -> None:
    """Whether the code is right; it is not used up, a wrong try counts.

    Raises BadInput, Refused("OTP_INVALID_EXPIRED").
    """
    _checked(env, address, code)


def reset(env: Env, address: str, code: str, new: str, client: Client) -> None:
    """Set a new password by a mailed code; every session of the user ends.

    Raises BadInput, Refused: OTP_INVALID_EXPIRED, OVERLOADED.
    """
    require_strong(env.settings, new)
    user, has_factor = _checked(env, address, code)
    # After the code is right, which is not used up yet: nobody else makes us ask another service.
    require_strong(env.settings, new, has_factor=has_factor)
    require_unknown(env, new, user.username, user.email)
    new_hash = env.hasher.hash(new)
    subject = key(address)
    with env.db.write() as tx:
        again = _of_code(tx, env, subject, code)
        if again is not None and users.set_password(tx, again, new_hash):
            codes.withdraw(tx, "reset", subject)
            sessions.end_all(tx, again.id)
            # Who reads the account's mail is no stranger: others' guesses must not keep them from logging in now.
            sessions.know_address(tx, again.id, client.network)
            _note(tx, env, again, "password.reset", "password-reset", client)
            return
    raise Refused("OTP_INVALID_EXPIRED")


def _checked(env: Env, address: str, code: str) -> tuple[User, bool]:
    """The user to whom the right code was mailed, and whether they have a second factor."""
    subject = key(names.address(address))
    with env.db.write() as tx:
        user = _of_code(tx, env, subject, code)
        has_factor = user is not None and factors.has_active(tx, user.id)
    if user is None:
        raise Refused("OTP_INVALID_EXPIRED")
    return user, has_factor


def _of_code(tx: Tx, env: Env, subject: str, code: str) -> User | None:
    """The user to whom the right code was mailed, if they still have the address and may log in."""
    mailed = codes.check(tx, env.vault, "reset", subject, code)
    if mailed is None or mailed.user_id is None:
        return None
    user = users.find(tx, mailed.user_id, lock="update")
    if user is None or user.disabled_at is not None or key(user.email) != subject:
        return None
    return user


def _note(
    tx: Tx,
    env: Env,
    user: User,
    event: audit.EventType,
    template: str,
    client: Client,
    session_id: str | None = None,
) -> None:
    audit.record(tx, event, user_id=user.id, session_id=session_id, client_address=client.address)
    mailing.tell(tx, env, user.email, user.language, template, client, address=user.email)


def mail_key(env: Env, subject: str) -> str:
    """Where the wait between mails with a code for a new password counts; `subject` is the address's key."""
    return f"reset-mail:{env.vault.digest('name', subject).hex()}"
