"""Which second factors a user has."""

from dataclasses import dataclass

from doorward.env import Env
from doorward.factors import store
from doorward.tokens.tokens import Claims
from doorward.users.names import mask


@dataclass(frozen=True)
class Overview:
    """The active methods: when each was completed (milliseconds), None for an inactive one."""

    totp_at: int | None
    email_otp_at: int | None
    email: str | None
    recovery_codes_at: int | None

    @property
    def enabled(self) -> bool:
        return self.totp_at is not None or self.email_otp_at is not None


def overview(env: Env, claims: Claims) -> Overview:
    """With a partial token the address is masked: its holder has shown a password only."""
    with env.db.read() as tx:
        totp = store.find_totp(tx, claims.user_id)
        mailed = store.find_email_otp(tx, claims.user_id)
        codes = store.find_recovery_codes(tx, claims.user_id)
    email = mask(mailed.email) if mailed.email and claims.use == "partial" else mailed.email
    return Overview(totp.completed_at, mailed.completed_at, email, codes.created_at if codes else None)
