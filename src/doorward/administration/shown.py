"""How users, mails and keys look in JSON: the same on the command line and in the administrators' API."""

from collections.abc import Sequence
from typing import Any

import msgspec

from doorward.accounts.view import Account as AccountView
from doorward.administration.mails import MailState
from doorward.administration.signing import KeyFacts
from doorward.audit import Event
from doorward.core.clock import iso
from doorward.events.shown import Time
from doorward.sessions.store import Seen
from doorward.users.store import User as StoredUser


class User(msgspec.Struct, rename="camel", kw_only=True):
    """A user in short."""

    id: int
    username: str
    email: str
    language: str | None
    disabled: bool
    has_password: bool
    created_at: Time


class AccountEvent(msgspec.Struct, rename="camel", kw_only=True):
    """What happened to an account, in short."""

    at: Time
    type: str
    detail: str | None
    client_address: str | None


class Account(User, kw_only=True):
    """All about a user but the secrets. Factors say since when; `lastLoginAt` is exact while the session is kept."""

    disabled_at: Time | None
    password_scheme: str | None
    totp_at: Time | None
    email_otp_at: Time | None
    email_otp_address: str | None
    recovery_codes_left: int
    sessions: int
    last_login_at: Time | None
    events: list[AccountEvent]


class EndedWaits(msgspec.Struct):
    """At what the account waited: `password`, `totp`, `recovery-code`. Each allows one guess now; the counts stay."""

    ended: list[str]


class Session(msgspec.Struct, rename="camel", kw_only=True):
    """A session that lives."""

    id: str
    created_at: Time
    last_used_at: Time
    client_address: str
    user_agent: str


class Mail(msgspec.Struct, rename="camel", kw_only=True):
    """A mail that waits or was given up, without what it carries.

    `to` and `template` are null where no secret key opens it; `toNobody`: asked for an address without an account.
    """

    id: int
    to: str | None
    template: str | None
    origin: str | None
    language: str | None
    to_nobody: bool
    created_at: Time
    expires_at: Time | None
    next_attempt_at: Time | None
    attempts: int
    last_error: str | None
    failed_at: Time | None


class SigningKey(msgspec.Struct, rename="camel", kw_only=True):
    """What is public of a signing key. `state` is `waiting`, `signing` or `retired`."""

    kid: str
    algorithm: str
    state: str
    created_at: Time
    signs_from: Time
    expires_at: Time | None


def user(stored: StoredUser) -> User:
    return User(**_user(stored))


def account(view: AccountView) -> Account:
    return Account(
        **_user(view.user),
        disabled_at=time(view.user.disabled_at),
        password_scheme=view.password_scheme,
        totp_at=time(view.totp_at),
        email_otp_at=time(view.email_otp_at),
        email_otp_address=view.email_otp_address,
        recovery_codes_left=view.recovery_codes_left,
        sessions=view.sessions,
        last_login_at=time(view.last_login_at),
        events=_account_events(view.events),
    )


def session(seen: Seen) -> Session:
    return Session(
        id=seen.id,
        created_at=iso(seen.created_at),
        last_used_at=iso(seen.last_used_at),
        client_address=seen.client_address,
        user_agent=seen.user_agent,
    )


def mail(state: MailState) -> Mail:
    kept, opened = state.kept, state.mail
    return Mail(
        id=kept.id,
        to=opened.to if opened else None,
        template=opened.template if opened else None,
        origin=opened.origin if opened else None,
        language=opened.language if opened else None,
        to_nobody=opened is not None and opened.to_nobody,
        created_at=iso(kept.created_at),
        expires_at=time(kept.expires_at),
        next_attempt_at=iso(kept.next_attempt_at) if kept.failed_at is None else None,
        attempts=kept.attempts,
        last_error=kept.last_error,
        failed_at=time(kept.failed_at),
    )


def signing_key(facts: KeyFacts) -> SigningKey:
    return SigningKey(
        kid=facts.kid,
        algorithm=facts.algorithm,
        state=facts.state,
        created_at=iso(facts.created_at),
        signs_from=iso(facts.signs_from),
        expires_at=time(facts.expires_at),
    )


def time(at_ms: int | None) -> str | None:
    return None if at_ms is None else iso(at_ms)


def _user(stored: StoredUser) -> dict[str, Any]:
    return {
        "id": stored.id,
        "username": stored.username,
        "email": stored.email,
        "language": stored.language,
        "disabled": stored.disabled_at is not None,
        "has_password": stored.password_hash is not None,
        "created_at": iso(stored.created_at),
    }


def _account_events(events: Sequence[Event]) -> list[AccountEvent]:
    return [
        AccountEvent(at=iso(each.at), type=each.type, detail=each.detail, client_address=each.client_address)
        for each in events
    ]
