"""TOTP: set up, enable, verify, remove.

States: none -> pending (set up) -> active (enabled) -> active with another pending -> active. The pending secret does
nothing until a code of it is shown; the active one goes on working until then.
"""

from doorward import throttles
from doorward.core.client import Client
from doorward.core.clock import SECOND
from doorward.core.db import Tx
from doorward.core.errors import Refused
from doorward.core.vault import CannotOpen
from doorward.env import Env
from doorward.factors import common, otp, store
from doorward.tokens.tokens import Claims
from doorward.users import store as users

METHOD = "totp"


def set_up(env: Env, claims: Claims) -> str:
    """A new pending secret, as the URL that an authenticator app scans."""
    secret = otp.new_secret()
    with env.db.write() as tx:
        user = users.find(tx, claims.user_id)
        if user is None:
            raise Refused("TOKEN_REVOKED")
        store.set_pending_totp(tx, claims.user_id, env.vault.seal(secret, context(claims.user_id)))
    return otp.provisioning_url(secret, env.settings.issuer_name, user.username)


def find_pending_url(env: Env, claims: Claims) -> str | None:
    """The URL of a secret that waits to be enabled. Raises Refused("TOTP_CORRUPT")."""
    with env.db.read() as tx:
        user, pending = users.find(tx, claims.user_id), store.find_totp(tx, claims.user_id).pending_secret
    if user is None or pending is None:
        return None
    return otp.provisioning_url(_opened(env, claims.user_id, pending), env.settings.issuer_name, user.username)


def enable(env: Env, claims: Claims, code: str, client: Client) -> list[str]:
    """Make the pending secret the active one by a code of it; gives ten recovery codes if it is the first method.

    Raises Refused: TOTP_UNINITIALIZED, TOTP_CORRUPT, TOTP_INCORRECT, TOO_MANY_TOTP_CHECKS.
    """
    with env.db.read() as tx:
        pending = store.find_totp(tx, claims.user_id).pending_secret
    if pending is None:
        raise Refused("TOTP_UNINITIALIZED")
    step = _matching_step(env, claims.user_id, pending, code)
    with env.db.write() as tx:
        common.take_turn(tx, claims)
        throttles.refuse_while_waiting(tx, throttles.TOTP, _key(claims))
        replaced = store.find_totp(tx, claims.user_id).secret is not None
        if step is not None and _activate(tx, env, claims.user_id, pending, step):
            throttles.reset(tx, _key(claims))
            return common.enabled(tx, env, claims, METHOD, client, replaced=replaced)
        _count_wrong(tx, claims, client)
    raise Refused("TOTP_INCORRECT")


def bring(tx: Tx, env: Env, secrets: dict[int, bytes]) -> None:
    """Active secrets from another system, for new users (by id). They have no recovery codes."""
    store.add_active_totp(tx, {user_id: env.vault.seal(raw, context(user_id)) for user_id, raw in secrets.items()})


def match(env: Env, claims: Claims, code: str) -> tuple[bytes, int | None]:
    """The active secret (sealed) and the time step that the code belongs to, if any: to be claimed by `claim`.

    Raises Refused: TOTP_UNINITIALIZED, TOTP_CORRUPT.
    """
    with env.db.read() as tx:
        sealed = store.find_totp(tx, claims.user_id).secret
    if sealed is None:
        raise Refused("TOTP_UNINITIALIZED")
    return sealed, _matching_step(env, claims.user_id, sealed, code)


def claim(tx: Tx, env: Env, claims: Claims, matched: tuple[bytes, int | None], client: Client) -> bool:
    """Use the matched time step up; a wrong code is counted. Raises Refused("TOO_MANY_TOTP_CHECKS")."""
    sealed, step = matched
    throttles.refuse_while_waiting(tx, throttles.TOTP, _key(claims))
    if step is not None and _claim_step(tx, env, claims.user_id, sealed, step):
        common.succeeded(tx, claims, METHOD, client)
        return True
    _count_wrong(tx, claims, client)
    return False


def seconds_to_next_guess(env: Env, claims: Claims) -> int:
    """Raises Refused("TOTP_UNINITIALIZED")."""
    with env.db.read() as tx:
        found = store.find_totp(tx, claims.user_id)
        if found.secret is None and found.pending_secret is None:
            raise Refused("TOTP_UNINITIALIZED")
        return throttles.seconds_to_wait(tx, throttles.TOTP, _key(claims))


def remove(env: Env, claims: Claims, client: Client) -> None:
    """Raises Refused("TOTP_ALREADY_INACTIVE")."""
    with env.db.write() as tx:
        common.take_turn(tx, claims)
        if not store.delete_totp(tx, claims.user_id):
            raise Refused("TOTP_ALREADY_INACTIVE")
        throttles.reset(tx, _key(claims))
        common.disabled(tx, env, claims, METHOD, client)


def _matching_step(env: Env, user_id: int, sealed: bytes, code: str) -> int | None:
    return otp.matching_step(_opened(env, user_id, sealed), code, env.clock.now_ms() // SECOND)


def _opened(env: Env, user_id: int, sealed: bytes) -> bytes:
    try:
        return env.vault.open(sealed, context(user_id))
    except CannotOpen as error:
        raise Refused("TOTP_CORRUPT") from error


def _claim_step(tx: Tx, env: Env, user_id: int, sealed: bytes, step: int) -> bool:
    if store.claim_step(tx, user_id, sealed, step):
        return True
    now = _resealed(env, user_id, sealed, store.find_totp(tx, user_id).secret)
    return now is not None and store.claim_step(tx, user_id, now, step)


def _activate(tx: Tx, env: Env, user_id: int, sealed: bytes, step: int) -> bool:
    if store.activate_totp(tx, user_id, sealed, step):
        return True
    now = _resealed(env, user_id, sealed, store.find_totp(tx, user_id).pending_secret)
    return now is not None and store.activate_totp(tx, user_id, now, step)


def _resealed(env: Env, user_id: int, before: bytes, now: bytes | None) -> bytes | None:
    """What is stored now, if it is the same secret, sealed anew since it was read: that makes no right code wrong."""
    if now is None or now == before:
        return None
    same = env.vault.open(now, context(user_id)) == env.vault.open(before, context(user_id))
    return now if same else None


def _count_wrong(tx: Tx, claims: Claims, client: Client) -> None:
    waits = throttles.count_wrong(tx, throttles.TOTP, _key(claims))
    common.failed(tx, claims, METHOD, client, waits=waits)


def _key(claims: Claims) -> str:
    return common.throttle_key(METHOD, claims.user_id)


def context(user_id: int) -> str:
    """What a user's sealed secrets are bound to."""
    return f"totp:{user_id}"
