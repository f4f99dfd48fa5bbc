"""The first step of a login.

The password is checked outside any transaction; the verdict is settled in one, where guesses that were judged
meanwhile count. An unknown name, a disabled user and a user without a password take the same way as a wrong password.
"""

from dataclasses import dataclass

from doorward import audit, throttles
from doorward.core.client import Client
from doorward.core.db import Tx
from doorward.core.errors import Refused
from doorward.env import Env
from doorward.factors import store as factors
from doorward.passwords import guesses
from doorward.sessions import flows as sessions
from doorward.tokens.tokens import Use
from doorward.users import store as users
from doorward.users.store import User

PASSWORD_AMR = "pwd"  # noqa: S105 -- the name of the method


@dataclass(frozen=True)
class Login:
    """What a right password gives: a refresh token, or for a user with a second factor a partial one."""

    token: str
    use: Use


def login(env: Env, name: str, password: str, client: Client) -> Login:
    """Raises Refused: PASSWORD_INCORRECT, TOO_MANY_FAILED_PASSWORD_CHECKS, OVERLOADED."""
    reads = env.db.reads()
    user = users.find_by_name(reads, name)
    keys = guesses.throttle_keys(reads, env, user, name, client)
    throttles.refuse_while_waiting(reads, throttles.PASSWORD, *keys)
    right = env.hasher.verify(user.password_hash if user and user.disabled_at is None else None, password)
    better_hash = _better_hash(env, user, password) if right else None
    with env.db.write() as tx:
        # Only after a right password: a wrong one must not cost an account more than an unknown name.
        fresh = users.find(tx, user.id, lock="share") if user and right else None
        # A password changed or a user disabled while the hash was checked: that came first.
        right = right and _same(user, fresh)
        waits = guesses.settle(tx, keys, right=right)
        if right and fresh is not None:
            if better_hash is not None:
                users.replace_hash(tx, fresh, better_hash)
            return _succeed(tx, env, fresh, client)
        detail = "/".join(filter(None, (_cause(user), audit.WAIT if waits else ""))) or None
        audit.record(
            tx, "login.refused", user_id=user.id if user else None, client_address=client.address, detail=detail
        )
    raise Refused("PASSWORD_INCORRECT")


def _succeed(tx: Tx, env: Env, user: User, client: Client) -> Login:
    session_id = sessions.new_session_id()
    if factors.has_active(tx, user.id):
        partial = env.tokens.issue(
            "partial",
            user_id=user.id,
            session_id=session_id,
            amr=[PASSWORD_AMR],
            auth_time=tx.now,
            version=user.credentials_version,
        )
        return Login(partial, "partial")
    refresh = sessions.start(tx, env, user.id, session_id, [PASSWORD_AMR], client)
    if refresh is None:
        raise RuntimeError("two sessions got the same 128 random bits")
    audit.record(tx, "login.succeeded", user_id=user.id, session_id=session_id, client_address=client.address)
    return Login(refresh, "refresh")


def _cause(user: User | None) -> str:
    """What kept the user out beside a wrong password, for administrators alone: callers are told one thing only."""
    if user is None:
        return ""
    if user.disabled_at is not None:
        return audit.DISABLED
    return audit.NO_PASSWORD if user.password_hash is None else ""


def _better_hash(env: Env, user: User | None, password: str) -> str | None:
    """The password's hash by the present scheme and cost, where it is stored with another."""
    if user is None or user.password_hash is None or not env.hasher.is_to_replace(user.password_hash, password):
        return None
    return env.hasher.hash(password)


def _same(read: User | None, fresh: User | None) -> bool:
    return (
        read is not None
        and fresh is not None
        and fresh.disabled_at is None
        and fresh.credentials_version == read.credentials_version
    )
