"""What an administrator can do with an account."""

from doorward import audit, codes, mailing, throttles
from doorward.core.client import COMMAND_LINE
from doorward.core.db import Tx
from doorward.env import Env
from doorward.factors import store as factors
from doorward.factors.common import throttle_key
from doorward.mail.notices import MailChoice
from doorward.passwords.rules import require_strong
from doorward.sessions import store as sessions
from doorward.users import names
from doorward.users import store as users
from doorward.users.store import User


class NameTaken(Exception):
    """Another account has this username or address."""


class NoSuchUser(Exception):
    """No account has this username or address."""


def create(env: Env, email: str, *, username: str | None = None, password: str | None = None) -> int:
    """Add a user and give the id; without a password one is set by a reset or an invitation.

    Raises BadInput, NameTaken.
    """
    email = names.address(email)
    username = email if username is None else names.username(username)
    if password is not None:
        require_strong(password)
    password_hash = None if password is None else env.hasher.hash(password)
    with env.db.write() as tx:
        return add(tx, username, email, password_hash)


def add(tx: Tx, username: str, email: str, password_hash: str | None) -> int:
    """Add a user of checked names, in the caller's transaction. Raises NameTaken."""
    user_id = users.add(tx, username, email, password_hash)
    if user_id is None:
        raise NameTaken
    audit.record(tx, "user.created", user_id=user_id)
    return user_id


def get(tx: Tx, name: str) -> User:
    """The user with this username or address. Raises NoSuchUser."""
    user = users.find_by_name(tx, name)
    if user is None:
        raise NoSuchUser
    return user


def disable(env: Env, name: str) -> None:
    """End all sessions and let nobody log in. Raises NoSuchUser."""
    with env.db.write() as tx:
        user = get(tx, name)
        users.set_disabled(tx, user.id, disabled=True)
        sessions.end_all(tx, user.id)
        audit.record(tx, "user.disabled", user_id=user.id)


def enable(env: Env, name: str) -> None:
    """Let the user log in again; ended sessions stay ended. Raises NoSuchUser."""
    with env.db.write() as tx:
        user = get(tx, name)
        users.set_disabled(tx, user.id, disabled=False)
        audit.record(tx, "user.enabled", user_id=user.id)


def delete(env: Env, name: str) -> None:
    """Delete the account and all that belongs to it; its events stay. Raises NoSuchUser."""
    with env.db.write() as tx:
        user = get(tx, name)
        users.delete(tx, user.id)
        audit.record(tx, "user.deleted", user_id=user.id)


def reset_2fa(env: Env, name: str) -> None:
    """Take every second factor off the user, whose next login needs the password only. Raises NoSuchUser."""
    with env.db.write() as tx:
        user = get(tx, name)
        factors.delete_all(tx, user.id)
        throttles.reset(tx, throttle_key("totp", user.id), throttle_key("recovery-code", user.id))
        for purpose in ("email-otp", "email-otp-setup"):
            codes.withdraw(tx, purpose, str(user.id))
        audit.record(tx, "factor.disabled", user_id=user.id, detail="reset by an administrator")


def set_password(env: Env, name: str, password: str) -> None:
    """Set the password and end every session; second factors stay. Raises BadInput, NoSuchUser."""
    require_strong(password)
    password_hash = env.hasher.hash(password)
    with env.db.write() as tx:
        user = get(tx, name)
        users.set_password(tx, user, password_hash)
        sessions.end_all(tx, user.id)
        audit.record(tx, "password.changed", user_id=user.id, detail="set by an administrator")


def invite(env: Env, email: str, choice: MailChoice, *, username: str | None = None) -> int:
    """Add a user without a password and mail them a code to set one. Raises BadInput, NameTaken, Refused."""
    email = mailing.new_address(env, email)
    username = email if username is None else names.username(username)
    mailing.require_template(env, "invitation", choice)
    with env.db.write() as tx:
        user_id = add(tx, username, email, None)
        # Kept where reset codes are: the person sets the first password with it, as every later one.
        mailing.send_code(
            tx,
            env,
            "invitation",
            names.key(email),
            user_id=user_id,
            address=email,
            choice=choice,
            client=COMMAND_LINE,
        )
        audit.record(tx, "user.invited", user_id=user_id)
    return user_id
