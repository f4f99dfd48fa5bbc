"""What a caller can do with a session: prove it, get new tokens for it, end it.

A refresh token is good for its session. With `refresh_rotation = "strict"` it is good for one renewal: whoever asks
with it again within the grace gets the same successor (the answer was lost); later reuse ends the session.
"""

import secrets

import msgspec
import sqlalchemy as sa

from doorward import audit, mailing
from doorward.core.client import Client
from doorward.core.clock import MINUTE, SECOND
from doorward.core.db import Tx
from doorward.core.errors import Refused
from doorward.core.tables import users
from doorward.env import Env
from doorward.sessions import store
from doorward.tokens.tokens import LIFETIMES, Claims, Use

# How stale `last_used_at` may be: an idle limit need not cost a write for each use.
IDLE_NOTED_EVERY = MINUTE
# The same for what a user is told of their sessions.
USE_NOTED_EVERY = 5 * MINUTE


def authorize(env: Env, token: str | None, accepted: frozenset[Use]) -> Claims:
    """The claims of a token of an accepted kind whose session lives.

    Raises Refused: NO_TOKEN_PROVIDED, TOKEN_INVALID, TOKEN_EXPIRED, WRONG_TOKEN_TYPE,
    2FA_REQUIRED_PARTIAL_TOKEN, TOKEN_REVOKED.
    """
    if not token:
        raise Refused("NO_TOKEN_PROVIDED")
    claims = env.tokens.read(token)
    if claims.use not in accepted:
        raise Refused("2FA_REQUIRED_PARTIAL_TOKEN" if claims.use == "partial" else "WRONG_TOKEN_TYPE")
    if claims.use == "partial":
        _require_open_login(env, claims)
    else:
        _require_session(env, claims)
    return claims


def _require_open_login(env: Env, claims: Claims) -> None:
    asked = {"user_id": claims.user_id, "version": claims.ver, "session_id": claims.sid}
    if env.db.reads().first(store.OPEN_LOGIN, asked) is None:
        raise Refused("TOKEN_REVOKED")


def _require_session(env: Env, claims: Claims) -> None:
    reads = env.db.reads()
    row = reads.first(store.STATE, {"session_id": claims.sid, "user_id": claims.user_id})
    if row is None:
        raise Refused("TOKEN_REVOKED")
    ended_at, expires_at, created_at, last_used_at, newest, previous, rotated_at = row
    now, settings = reads.now, env.settings
    over = store.is_over(settings, created_at, last_used_at, now)
    if ended_at is not None or expires_at <= now or over:
        raise Refused("TOKEN_REVOKED")
    if settings.refresh_rotation == "strict" and claims.use == "refresh" and claims.jti != newest:
        in_grace = claims.jti == previous and now < rotated_at + settings.refresh_grace * SECOND
        if not in_grace:
            end_reused(env, claims)
    idle = settings.session_idle_limit * SECOND
    if idle and now - last_used_at >= min(IDLE_NOTED_EVERY, idle // 10):
        with env.db.write() as tx:
            store.touch(tx, claims.sid)


def start(tx: Tx, env: Env, user_id: int, session_id: str, amr: list[str], client: Client) -> str | None:
    """Begin a session in the caller's transaction and give its refresh token; None when the id was used before."""
    session = store.Session(
        id=session_id,
        user_id=user_id,
        amr=amr,
        auth_time=tx.now,
        created_at=tx.now,
        expires_at=_expiry(env, tx.now, tx.now),
    )
    claims = _refresh_claims(env, session)
    if not store.add(tx, session, client, (claims.jti, claims.iat)):
        return None
    if env.settings.new_sign_in_notice and store.is_new_place(tx, user_id, client.address):
        _tell_new_place(tx, env, user_id, client)
    store.know_address(tx, user_id, client.network)
    return env.tokens.sign(claims)


def _tell_new_place(tx: Tx, env: Env, user_id: int, client: Client) -> None:
    user = tx.execute(sa.select(users.c.email, users.c.language).where(users.c.id == user_id)).one()
    mailing.tell(tx, env, user.email, user.language, "new-sign-in", client, address=user.email)


SESSION_ID = "[A-Za-z0-9_-]{1,64}"
"""How ids of sessions look. PostgreSQL takes not every other text."""


def new_session_id() -> str:
    """128 bits from the system's random source, as many as ASVS 7.2.3 asks for."""
    return secrets.token_urlsafe(16)


def access_token(env: Env, claims: Claims) -> str:
    """A new access token of the session that the claims belong to."""
    return issue(env, "access", claims)


def issue(env: Env, use: Use, claims: Claims, amr: list[str] | None = None, auth_time: int | None = None) -> str:
    """A token of the session of the claims, with their `amr` and `auth_time` (milliseconds) unless others are given."""
    return env.tokens.issue(
        use,
        user_id=claims.user_id,
        session_id=claims.sid,
        amr=claims.amr if amr is None else amr,
        auth_time=claims.auth_time * SECOND if auth_time is None else auth_time,
    )


def renew(env: Env, claims: Claims) -> str:
    """A new refresh token of the same session, with a full lifetime. Raises Refused: TOKEN_REVOKED."""
    strict = env.settings.refresh_rotation == "strict"
    return _rotate(env, claims) if strict else _extend(env, claims)


def _extend(env: Env, claims: Claims) -> str:
    with env.db.write() as tx:
        expires_at = _renewed_expiry(env, tx, claims)
        if not store.extend(tx, claims.sid, expires_at):
            raise Refused("TOKEN_REVOKED")
        successor = _successor(claims, secrets.token_urlsafe(16), tx.now // SECOND, expires_at)
    return env.tokens.sign(successor)


def _rotate(env: Env, claims: Claims) -> str:
    grace = env.settings.refresh_grace * SECOND
    with env.db.write() as tx:
        expires_at = _renewed_expiry(env, tx, claims)
        jti, iat = secrets.token_urlsafe(16), tx.now // SECOND
        if not store.rotate(tx, claims.sid, claims.jti, (jti, iat), expires_at):
            row = store.find_rotation(tx, claims.sid)
            if row is None:
                raise Refused("TOKEN_REVOKED")
            if row.previous_jti != claims.jti or tx.now >= (row.rotated_at or 0) + grace:
                jti = ""
            else:
                jti, iat = row.refresh_jti, row.refresh_iat
                expires_at = min(expires_at, iat * SECOND + LIFETIMES["refresh"])
    if not jti:
        end_reused(env, claims)
    return env.tokens.sign(_successor(claims, jti, iat, expires_at))


def logout(env: Env, claims: Claims, client: Client) -> None:
    """End the session. Raises Refused("TOKEN_REVOKED") when it has ended already."""
    with env.db.write() as tx:
        if not store.end(tx, claims.sid):
            raise Refused("TOKEN_REVOKED")
        audit.record(
            tx,
            "session.ended",
            user_id=claims.user_id,
            session_id=claims.sid,
            client_address=client.address,
            detail="logout",
        )


def note_use(env: Env, claims: Claims) -> None:
    """Let the session's last use be told to within a few minutes."""
    with env.db.read() as tx:
        stale = store.is_stale(tx, claims.sid, USE_NOTED_EVERY)
    if stale:
        with env.db.write() as tx:
            store.touch(tx, claims.sid)


def living(env: Env, claims: Claims) -> list[store.Seen]:
    """The user's sessions, the one used last first."""
    with env.db.read() as tx:
        return store.living(tx, claims.user_id, env.settings)


def end_one(env: Env, claims: Claims, session_id: str, client: Client) -> None:
    """End one of the user's sessions; one that has ended stays so."""
    with env.db.write() as tx:
        if store.end_of_user(tx, claims.user_id, session_id):
            _note_end(tx, claims.user_id, session_id, client)


def end_others(env: Env, claims: Claims, client: Client) -> None:
    """End all sessions of the user but the one that asks."""
    with env.db.write() as tx:
        for session in store.unended(tx, claims.user_id):
            if session.id != claims.sid and store.end_of_user(tx, claims.user_id, session.id):
                _note_end(tx, claims.user_id, session.id, client)


def _note_end(tx: Tx, user_id: int, session_id: str, client: Client) -> None:
    audit.record(
        tx, "session.ended", user_id=user_id, session_id=session_id, client_address=client.address, detail="user"
    )


def end_reused(env: Env, claims: Claims) -> None:
    """A rotated refresh token was used again: one of its two holders is a thief. Always raises Refused."""
    with env.db.write() as tx:
        if store.end(tx, claims.sid):
            audit.record(tx, "session.reuse_detected", user_id=claims.user_id, session_id=claims.sid)
    raise Refused("TOKEN_REVOKED")


def _refresh_claims(env: Env, session: store.Session) -> Claims:
    return env.tokens.claims(
        "refresh",
        user_id=session.user_id,
        session_id=session.id,
        amr=session.amr,
        auth_time=session.auth_time,
        expires_at=session.expires_at,
    )


def _successor(claims: Claims, jti: str, iat: int, expires_at: int) -> Claims:
    return msgspec.structs.replace(claims, jti=jti, iat=iat, exp=expires_at // SECOND)


def _renewed_expiry(env: Env, tx: Tx, claims: Claims) -> int:
    return _expiry(env, tx.now, claims.auth_time * SECOND)


def _expiry(env: Env, now: int, began_at: int) -> int:
    ends = now + LIFETIMES["refresh"]
    limit = env.settings.session_absolute_limit * SECOND
    return min(ends, began_at + limit) if limit else ends
