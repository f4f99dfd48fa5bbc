"""What an administrator sees of an account: all but the secrets."""

from dataclasses import dataclass

import sqlalchemy as sa

from doorward import audit
from doorward.accounts.flows import Who, get
from doorward.audit import Event
from doorward.core.db import Tx
from doorward.core.tables import known_addresses, sessions
from doorward.env import Env
from doorward.factors import store as factors
from doorward.sessions import store
from doorward.users.store import User

EVENTS_SHOWN = 10


@dataclass(frozen=True)
class Account:
    """A user and what belongs to them. Factors say since when (milliseconds), None for an inactive one."""

    user: User
    password_scheme: str | None
    totp_at: int | None
    email_otp_at: int | None
    email_otp_address: str | None
    recovery_codes_left: int
    sessions: int
    last_login_at: int | None
    events: list[Event]

    @property
    def has_factor(self) -> bool:
        """Whether a login asks for a second factor."""
        return self.totp_at is not None or self.email_otp_at is not None


def view(env: Env, who: Who) -> Account:
    """The account, its newest events first. Raises NoSuchUser."""
    with env.db.read() as tx:
        user = get(tx, who)
        totp, mailed = factors.find_totp(tx, user.id), factors.find_email_otp(tx, user.id)
        codes = factors.find_recovery_codes(tx, user.id)
        return Account(
            user=user,
            password_scheme=scheme(user.password_hash) if user.password_hash else None,
            totp_at=totp.completed_at if totp.secret else None,
            email_otp_at=mailed.completed_at if mailed.email else None,
            email_otp_address=mailed.email,
            recovery_codes_left=codes.left if codes else 0,
            sessions=len(store.living(tx, user.id, env.settings)),
            last_login_at=_last_login(tx, user.id),
            events=audit.of_user(tx, user.id, EVENTS_SHOWN),
        )


def scheme(password_hash: str) -> str:
    """The name of a stored hash's scheme: `argon2id`, `pbkdf2-sha256`, `bcrypt`."""
    name = password_hash.removeprefix("$").partition("$")[0]
    return "bcrypt" if name in {"2a", "2b", "2y"} else name.replace("_", "-")


def _last_login(tx: Tx, user_id: int) -> int | None:
    """When the user last logged in: exact while the session is kept, then to the day, for half a year."""
    began = tx.execute(sa.select(sa.func.max(sessions.c.created_at)).where(sessions.c.user_id == user_id)).scalar()
    theirs = known_addresses.c.user_id == user_id
    known = tx.execute(sa.select(sa.func.max(known_addresses.c.last_login_at)).where(theirs)).scalar()
    return max((at for at in (began, known) if at is not None), default=None)
