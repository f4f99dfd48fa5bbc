"""What an administrator can do with an account."""

from doorward import audit, codes, mailing
from doorward.audit import BY_COMMAND, By
from doorward.core.client import COMMAND_LINE
from doorward.core.db import Tx
from doorward.env import Env
from doorward.factors import email_otp, totp
from doorward.factors import store as factors
from doorward.factors.common import forget_guesses, tell
from doorward.i18n import find
from doorward.mail.notices import MailChoice
from doorward.passwords.rules import require_strong, require_unknown
from doorward.sessions import store as sessions
from doorward.users import names
from doorward.users import store as users
from doorward.users.store import User

SESSIONS_AT_ONCE = 500
BY_ADMINISTRATOR = "administrator"

Who = str | int
"""An account: by its username or address, or by its id."""


class NameTaken(Exception):
    """Another account has this username or address; the message is the one of the two that is taken."""


class NoSuchUser(Exception):
    """No account has this username or address, which is the message."""


class NotInvited(Exception):
    """The invitation is over: the user has a password. The message is the name that was asked for."""


def create(
    env: Env, email: str, *, username: str | None = None, password: str | None = None, by: By = BY_COMMAND
) -> int:
    """Add a user and give the id; without a password one is set by a reset or an invitation.

    Raises BadInput, NameTaken, Refused("OVERLOADED").
    """
    email = names.address(email)
    username = email if username is None else names.username(username)
    if password is not None:
        require_strong(env.settings, password, has_factor=False)
        require_unknown(env, password, username, email)
    password_hash = None if password is None else env.hasher.hash(password)
    with env.db.write() as tx:
        return add(tx, username, email, password_hash, by)


def add(tx: Tx, username: str, email: str, password_hash: str | None, by: By = BY_COMMAND) -> int:
    """Add a user of checked names, in the caller's transaction. Raises NameTaken."""
    user_id = users.add(tx, username, email, password_hash)
    if user_id is None:
        # The names are claimed in an order of their own: of the two, ours is the one that leads to the new user.
        owner = users.find_by_name(tx, email)
        is_ours = owner is None or (owner.email, owner.username) == (email, username)
        raise NameTaken(username if is_ours else email)
    audit.record(tx, "user.created", user_id=user_id, by=by)
    return user_id


def get(tx: Tx, who: Who) -> User:
    """Raises NoSuchUser."""
    user = users.find(tx, who) if isinstance(who, int) else users.find_by_name(tx, who)
    if user is None:
        raise NoSuchUser(str(who))
    return user


def disable(env: Env, who: Who, by: By = BY_COMMAND) -> User:
    """End all sessions and let nobody log in; gives the user as they were. Raises NoSuchUser."""
    with env.db.write() as tx:
        user = get(tx, who)
        if users.set_disabled(tx, user.id, disabled=True):
            sessions.end_all(tx, user.id)
            audit.record(tx, "user.disabled", user_id=user.id, by=by)
    return user


def enable(env: Env, who: Who, by: By = BY_COMMAND) -> User:
    """Let the user log in again; ended sessions stay ended. Gives the user as they were. Raises NoSuchUser."""
    with env.db.write() as tx:
        user = get(tx, who)
        if users.set_disabled(tx, user.id, disabled=False):
            audit.record(tx, "user.enabled", user_id=user.id, by=by)
    return user


def delete(env: Env, who: Who, by: By = BY_COMMAND) -> User:
    """Delete the account and all that belongs to it; its events stay. Gives who it was. Raises NoSuchUser."""
    with env.db.write() as tx:
        user = get(tx, who)
        if not users.delete(tx, user.id):
            raise NoSuchUser(str(who))
        audit.record(tx, "user.deleted", user_id=user.id, by=by)
    return user


def reset_2fa(env: Env, who: Who, by: By = BY_COMMAND) -> list[str]:
    """Take every second factor off the user, whose next login needs the password only, and tell them by mail.

    Gives the methods that were active. Raises NoSuchUser.
    """
    with env.db.write() as tx:
        # Locked: of two resets at once, the second finds nothing to tell of.
        user = users.find(tx, get(tx, who).id, lock="update")
        if user is None:
            raise NoSuchUser(str(who))
        active = _active_methods(tx, user.id)
        had_codes = factors.find_recovery_codes(tx, user.id) is not None
        factors.delete_all(tx, user.id)
        forget_guesses(tx, user.id)
        email_otp.withdraw_codes(tx, user.id)
        for method in active:
            tell(tx, env, user.id, f"{method}-disabled", COMMAND_LINE)
        if had_codes:
            tell(tx, env, user.id, "recovery-codes-ended", COMMAND_LINE)
        audit.record(tx, "factor.disabled", user_id=user.id, detail="reset by an administrator", by=by)
    return active


def end_sessions(env: Env, who: Who, by: By = BY_COMMAND) -> int:
    """End every session of the user; gives how many lived. Raises NoSuchUser."""
    with env.db.write() as tx:
        user = get(tx, who)
        ended = len(sessions.living(tx, user.id, env.settings))
        if sessions.end_all(tx, user.id):
            audit.record(tx, "session.ended", user_id=user.id, detail=BY_ADMINISTRATOR, by=by)
    return ended


def end_session(env: Env, who: Who, session_id: str, by: By = BY_COMMAND) -> bool:
    """End one session of the user; False when it is none of theirs or had ended. Raises NoSuchUser."""
    with env.db.write() as tx:
        user = get(tx, who)
        ended = sessions.end_of_user(tx, user.id, session_id)
        if ended:
            audit.record(tx, "session.ended", user_id=user.id, session_id=session_id, detail=BY_ADMINISTRATOR, by=by)
    return ended


def set_address(env: Env, who: Who, address: str, by: By = BY_COMMAND) -> User:
    """Give the user another address, and the username with it where that is the address; tell the old one by mail.

    A reset's code that went to the old address is void, and so is a change of address under way.
    Gives the user as they were. Raises BadInput, NoSuchUser, NameTaken, Refused("FORBIDDEN_MAIL_PROVIDER").
    """
    address = mailing.new_address(env, address)
    with env.db.write() as tx:
        before = get(tx, who)
        codes.withdraw(tx, "reset", names.key(before.email))
        codes.withdraw(tx, "transfer", str(before.id))
        user = users.find(tx, before.id, lock="update")
        if user is None:
            raise NoSuchUser(str(who))
        if user.email == address:
            return user
        if not users.set_email(tx, user, address):
            raise NameTaken(address)
        audit.record(tx, "address.changed", user_id=user.id, detail="set by an administrator", by=by)
        new = names.mask(address)
        mailing.tell(tx, env, user.email, user.language, "address-changed", COMMAND_LINE, address=new)
    return user


def end_every_session(env: Env) -> int:
    """End all sessions of all users; gives how many lived."""
    ended = 0
    while True:
        with env.db.write() as tx:
            batch = sessions.end_some(tx, SESSIONS_AT_ONCE)
        ended += batch
        if batch < SESSIONS_AT_ONCE:
            return ended


def set_password(env: Env, who: Who, password: str, by: By = BY_COMMAND) -> User:
    """Set the password, end every session and tell the user by mail; second factors stay.

    Raises BadInput, NoSuchUser, Refused("OVERLOADED").
    """
    with env.db.read() as tx:
        user = get(tx, who)
        has_factor = factors.has_active(tx, user.id)
    require_strong(env.settings, password, has_factor=has_factor)
    require_unknown(env, password, user.username, user.email)
    password_hash = env.hasher.hash(password)
    with env.db.write() as tx:
        # Read again under the lock: a change at the same time would win the compare-and-set unseen.
        present = users.find(tx, get(tx, who).id, lock="update")
        if present is None:
            raise NoSuchUser(str(who))
        user = present
        users.set_password(tx, user, password_hash)
        sessions.end_all(tx, user.id)
        audit.record(tx, "password.changed", user_id=user.id, detail="set by an administrator", by=by)
        tell(tx, env, user.id, "password-changed", COMMAND_LINE)
    return user


def invite(env: Env, email: str, choice: MailChoice, *, username: str | None = None, by: By = BY_COMMAND) -> int:
    """Add a user without a password, whose language is the asked one, and mail them a code to set one.

    Raises BadInput, NameTaken, Refused.
    """
    email = mailing.new_address(env, email)
    username = email if username is None else names.username(username)
    mailing.require_template(env, "invitation", choice)
    with env.db.write() as tx:
        user_id = add(tx, username, email, None, by)
        users.set_language(tx, user_id, find(choice.language))
        _send_invitation(tx, env, user_id, email, choice, by)
    return user_id


def invite_again(env: Env, who: Who, choice: MailChoice, by: By = BY_COMMAND) -> User:
    """Mail a new code to a user who has no password yet; the one before is void.

    Raises NoSuchUser, NotInvited, Refused("UNABLE_TO_FIND_MAIL_TEMPLATE").
    """
    mailing.require_template(env, "invitation", choice)
    with env.db.write() as tx:
        user = _end_invitation(tx, who)
        _send_invitation(tx, env, user.id, user.email, choice, by)
    return user


def withdraw_invitation(env: Env, who: Who, by: By = BY_COMMAND) -> User:
    """Void the code and delete the account, which nobody has used: a reset would be another way into it.

    Gives who it was. Raises NoSuchUser, NotInvited.
    """
    with env.db.write() as tx:
        user = _end_invitation(tx, who)
        users.delete(tx, user.id)
        audit.record(tx, "user.deleted", user_id=user.id, detail="invitation withdrawn", by=by)
    return user


def _end_invitation(tx: Tx, who: Who) -> User:
    """Void the code, with its count of wrong tries, and lock the user, who has no password yet.

    A password chosen at this moment comes first or not at all. The code goes before the lock, as in a reset.
    """
    user = get(tx, who)
    codes.withdraw(tx, "reset", names.key(user.email))
    fresh = users.find(tx, user.id, lock="update")
    if fresh is None:
        raise NoSuchUser(str(who))
    if fresh.password_hash is not None:
        raise NotInvited(str(who))
    return fresh


def _send_invitation(tx: Tx, env: Env, user_id: int, address: str, choice: MailChoice, by: By) -> None:
    subject = names.key(address)
    mailing.send_code(
        tx, env, "invitation", subject, user_id=user_id, address=address, choice=choice, client=COMMAND_LINE
    )
    audit.record(tx, "user.invited", user_id=user_id, by=by)


def _active_methods(tx: Tx, user_id: int) -> list[str]:
    by_app, by_mail = factors.find_totp(tx, user_id), factors.find_email_otp(tx, user_id)
    active = {totp.METHOD: by_app.secret is not None, email_otp.METHOD: by_mail.email is not None}
    return [method for method, is_active in active.items() if is_active]
