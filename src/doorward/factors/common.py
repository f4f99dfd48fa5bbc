"""What the second factors share: being on or off, the recovery codes that come with the first, and telling the user."""

import secrets

from doorward import audit, mailing, throttles
from doorward.core.client import Client
from doorward.core.db import Tx
from doorward.core.errors import Refused
from doorward.env import Env
from doorward.factors import store
from doorward.tokens.tokens import Claims
from doorward.users import store as users

RECOVERY_CODES = 10
RECOVERY_CODE_LENGTH = 16
# Digits and capitals without 0, 1, I, L, O and U: 30 signs, so that 16 of them hold 78 bits.
ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"


def throttle_key(method: str, user_id: int) -> str:
    return f"{method}:{user_id}"


def forget_guesses(tx: Tx, user_id: int) -> None:
    """Free every method of the user from its count of wrong answers."""
    throttles.reset(tx, throttle_key("totp", user_id), throttle_key("recovery-code", user_id))


def require_step_up(env: Env, claims: Claims) -> None:
    """Raises Refused("SUDO_TOKEN_REQUIRED") for an access token of a user who has an active second factor."""
    if claims.use == "sudo":
        return
    with env.db.read() as tx:
        if store.has_active(tx, claims.user_id):
            raise Refused("SUDO_TOKEN_REQUIRED")


def take_turn(tx: Tx, claims: Claims) -> None:
    """Changes of a user's factors come one after another, so that only one can be the first, and one the last."""
    users.find(tx, claims.user_id, lock="update")


def tell(tx: Tx, env: Env, user_id: int, template: str, client: Client, **params: str | int) -> None:
    """Queue a notice to the user's address."""
    user = users.find(tx, user_id)
    if user is not None:
        mailing.tell(tx, env, user.email, user.language, template, client, address=user.email, **params)


def enabled(tx: Tx, env: Env, claims: Claims, method: str, client: Client, *, replaced: bool = False) -> list[str]:
    """A method has become active: record and tell it, and give the recovery codes if they are new.

    `replaced`: one of the same method was active before, and is no more.
    """
    if replaced:
        _note(tx, env, claims, f"{method}-replaced", "factor.enabled", f"{method}/{audit.REPLACED}", client)
    else:
        _note(tx, env, claims, f"{method}-enabled", "factor.enabled", method, client)
    if store.find_recovery_codes(tx, claims.user_id) is not None:
        return []
    return new_recovery_codes(tx, env, claims.user_id)


def disabled(tx: Tx, env: Env, claims: Claims, method: str, client: Client) -> None:
    """A method has been taken away: record and tell it; with the last one the recovery codes go."""
    _note(tx, env, claims, f"{method}-disabled", "factor.disabled", method, client)
    if not store.has_active(tx, claims.user_id) and store.delete_recovery_codes(tx, claims.user_id):
        tell(tx, env, claims.user_id, "recovery-codes-ended", client)
        throttles.reset(tx, throttle_key("recovery-code", claims.user_id))


def succeeded(tx: Tx, claims: Claims, method: str, client: Client) -> None:
    """A right answer: it frees every method from its count of wrong ones."""
    forget_guesses(tx, claims.user_id)
    _record(tx, "second_factor.succeeded", claims, method, client)


def failed(tx: Tx, claims: Claims, method: str, client: Client, *, waits: bool = False) -> None:
    """A wrong answer; `waits`: with it a wait began."""
    _record(tx, "second_factor.refused", claims, f"{method}/{audit.WAIT}" if waits else method, client)


def new_recovery_codes(tx: Tx, env: Env, user_id: int) -> list[str]:
    """Ten new codes in place of all others."""
    codes = ["".join(secrets.choice(ALPHABET) for _ in range(RECOVERY_CODE_LENGTH)) for _ in range(RECOVERY_CODES)]
    store.replace_recovery_codes(tx, user_id, [recovery_code_hash(env, user_id, code) for code in codes])
    return codes


def recovery_code_hash(env: Env, user_id: int, code: str) -> bytes:
    return env.vault.digest("recovery-code", str(user_id), code)


def _note(tx: Tx, env: Env, claims: Claims, template: str, event: audit.EventType, detail: str, client: Client) -> None:
    _record(tx, event, claims, detail, client)
    tell(tx, env, claims.user_id, template, client)


def _record(tx: Tx, event: audit.EventType, claims: Claims, detail: str, client: Client) -> None:
    audit.record(
        tx,
        event,
        user_id=claims.user_id,
        session_id=claims.sid,
        client_address=client.address,
        detail=detail,
    )
