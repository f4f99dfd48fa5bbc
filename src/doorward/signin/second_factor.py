"""The second step of a login, and step-up within a session: the same three calls.

A partial token (a login under way) gets a session with its tokens, once; an access token gets a sudo token. The code is
used up and the session begun in one transaction: neither happens without the other.
"""

from collections.abc import Callable
from dataclasses import dataclass

from doorward import audit
from doorward.core.client import Client
from doorward.core.db import Tx
from doorward.core.errors import Refused
from doorward.env import Env
from doorward.factors import email_otp, recovery, totp
from doorward.sessions import flows as sessions
from doorward.tokens.tokens import Claims
from doorward.users import store as users

# RFC 8176 has `otp` and `mfa`; it knows neither mailed codes nor recovery codes, which have names of their own.
TOTP_AMR = ("otp", "mfa")
EMAIL_OTP_AMR = ("email",)
RECOVERY_CODE_AMR = ("recovery", "mfa")
ANY_AMR = frozenset((*TOTP_AMR, *EMAIL_OTP_AMR, *RECOVERY_CODE_AMR))


@dataclass(frozen=True)
class Granted:
    """A sudo token, and after a login also the session's first tokens."""

    sudo: str
    access: str | None = None
    refresh: str | None = None


def was_shown(claims: Claims) -> bool:
    """Whether the session of the claims began with a second factor."""
    return not ANY_AMR.isdisjoint(claims.amr)


def by_totp(env: Env, claims: Claims, code: str, client: Client) -> Granted:
    """Raises Refused: TOTP_UNINITIALIZED, TOTP_CORRUPT, TOTP_INCORRECT, TOO_MANY_TOTP_CHECKS, TOKEN_REVOKED."""
    matched = totp.match(env, claims, code)
    return _authenticate(
        env, claims, client, TOTP_AMR, "TOTP_INCORRECT", lambda tx: totp.claim(tx, env, claims, matched, client)
    )


def by_email_otp(env: Env, claims: Claims, code: str, client: Client) -> Granted:
    """Raises Refused: EMAIL_OTP_INACTIVE, OTP_INVALID_EXPIRED, TOKEN_REVOKED."""
    return _authenticate(
        env,
        claims,
        client,
        EMAIL_OTP_AMR,
        "OTP_INVALID_EXPIRED",
        lambda tx: email_otp.claim(tx, env, claims, code, client),
    )


def by_recovery_code(env: Env, claims: Claims, typed: str, client: Client) -> Granted:
    """A code with or without its separators.

    Raises BadInput, Refused: RECOVERY_CODES_UNINITIALIZED, RECOVERY_CODE_INCORRECT, TOO_MANY_RECOVERY_CODE_CHECKS,
    TOKEN_REVOKED.
    """
    code = recovery.normalise(typed)
    return _authenticate(
        env,
        claims,
        client,
        RECOVERY_CODE_AMR,
        "RECOVERY_CODE_INCORRECT",
        lambda tx: recovery.claim(tx, env, claims, code, client),
    )


def _authenticate(
    env: Env, claims: Claims, client: Client, amr: tuple[str, ...], refusal: str, claim: Callable[[Tx], bool]
) -> Granted:
    with env.db.write() as tx:
        _take_turn(tx, claims)
        if claim(tx):
            return _grant(tx, env, claims, [*claims.amr, *(each for each in amr if each not in claims.amr)], client)
    raise Refused(refusal)


def _grant(tx: Tx, env: Env, claims: Claims, amr: list[str], client: Client) -> Granted:
    sudo = sessions.issue(env, "sudo", claims, amr, tx.now)
    if claims.use != "partial":
        return Granted(sudo)
    refresh = sessions.start(tx, env, claims.user_id, claims.sid, amr, client)
    if refresh is None:
        raise Refused("TOKEN_REVOKED")
    audit.record(tx, "login.succeeded", user_id=claims.user_id, session_id=claims.sid, client_address=client.address)
    return Granted(sudo, sessions.issue(env, "access", claims, amr, tx.now), refresh)


def _take_turn(tx: Tx, claims: Claims) -> None:
    # Guesses of a user are judged one after another: one that is right waits for wrong ones that are being counted.
    # Locked before anything of the factors is, as by all that changes those.
    user = users.find(tx, claims.user_id, lock="update")
    if user is None or user.disabled_at is not None:
        raise Refused("TOKEN_REVOKED")
    if claims.use == "partial" and user.credentials_version != claims.ver:
        raise Refused("TOKEN_REVOKED")
