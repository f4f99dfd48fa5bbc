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
    recovery_codes_left: int
    pending_email: str | None

    @property
    def methods(self) -> set[str]:
        """The active ones by name, recovery codes aside."""
        completed = {"totp": self.totp_at, "email-otp": self.email_otp_at}
        return {method for method, at in completed.items() if at is not None}

    @property
    def enabled(self) -> bool:
        return bool(self.methods)


def overview(env: Env, claims: Claims) -> Overview:
    """With a partial token the address is masked: its holder has shown a password only."""
    with env.db.read() as tx:
        totp = store.find_totp(tx, claims.user_id)
        mailed = store.find_email_otp(tx, claims.user_id)
        codes = store.find_recovery_codes(tx, claims.user_id)
    email = mask(mailed.email) if mailed.email and claims.use == "partial" else mailed.email
    return Overview(
        totp_at=totp.completed_at,
        email_otp_at=mailed.completed_at,
        email=email,
        recovery_codes_at=codes.created_at if codes else None,
        recovery_codes_left=codes.left if codes else 0,
        pending_email=None if claims.use == "partial" else mailed.pending_email,
    )
