"""SQL of second factors."""

from dataclasses import dataclass

import sqlalchemy as sa

from doorward.core.db import Tx
from doorward.core.statements import Statement
from doorward.core.tables import email_otp, recovery_codes, totp


@dataclass(frozen=True)
class Totp:
    """A user's TOTP secrets, sealed: the active one and the one that waits to be enabled."""

    secret: bytes | None
    completed_at: int | None
    pending_secret: bytes | None


@dataclass(frozen=True)
class EmailOtp:
    """The address that codes go to, and the one that waits to be confirmed."""

    email: str | None
    completed_at: int | None
    pending_email: str | None


@dataclass(frozen=True)
class RecoveryCodes:
    """How many of the user's codes are left, and when they were made."""

    left: int
    created_at: int


NO_TOTP = Totp(None, None, None)
NO_EMAIL_OTP = EmailOtp(None, None, None)
ANY_ACTIVE = Statement(
    sa.select(
        sa.or_(
            sa.exists().where(totp.c.user_id == sa.bindparam("user_id"), totp.c.secret.is_not(None)),
            sa.exists().where(email_otp.c.user_id == sa.bindparam("user_id"), email_otp.c.email.is_not(None)),
        )
    )
)


def find_totp(tx: Tx, user_id: int) -> Totp:
    columns = (totp.c.secret, totp.c.completed_at, totp.c.pending_secret)
    row = tx.row(sa.select(*columns).where(totp.c.user_id == user_id))
    return NO_TOTP if row is None else Totp(**row._mapping)


def find_email_otp(tx: Tx, user_id: int) -> EmailOtp:
    columns = (email_otp.c.email, email_otp.c.completed_at, email_otp.c.pending_email)
    row = tx.row(sa.select(*columns).where(email_otp.c.user_id == user_id))
    return NO_EMAIL_OTP if row is None else EmailOtp(**row._mapping)


def find_recovery_codes(tx: Tx, user_id: int) -> RecoveryCodes | None:
    """None when the user has none, used ones included."""
    theirs = sa.select(recovery_codes.c.used_at, recovery_codes.c.created_at).where(recovery_codes.c.user_id == user_id)
    rows = tx.execute(theirs).all()
    return RecoveryCodes(sum(row.used_at is None for row in rows), rows[0].created_at) if rows else None


def has_active(tx: Tx, user_id: int) -> bool:
    """Whether a second factor is active, which is what makes a login ask for one."""
    # SQLite's true is a 1, which equals it.
    return tx.first(ANY_ACTIVE, {"user_id": user_id}) == (True,)


def set_pending_totp(tx: Tx, user_id: int, sealed: bytes) -> None:
    row = tx.insert(totp).values(user_id=user_id, pending_secret=sealed)
    tx.execute(row.on_conflict_do_update(index_elements=[totp.c.user_id], set_={"pending_secret": sealed}))


def add_active_totp(tx: Tx, sealed: dict[int, bytes]) -> None:
    """The active secrets of users (by id) who have none yet."""
    rows = [{"user_id": user_id, "secret": secret, "completed_at": tx.now} for user_id, secret in sealed.items()]
    if rows:
        tx.execute(sa.insert(totp), rows)


def activate_totp(tx: Tx, user_id: int, pending: bytes, step: int) -> bool:
    """Make the pending secret the active one, its code of `step` used; False when it is pending no more."""
    pending_still = sa.and_(totp.c.user_id == user_id, totp.c.pending_secret == pending)
    active = {"secret": pending, "pending_secret": None, "completed_at": tx.now, "last_step": step}
    return tx.changed(sa.update(totp).where(pending_still).values(active))


def claim_step(tx: Tx, user_id: int, sealed: bytes, step: int) -> bool:
    """Take the time step for one use; False when it, or a later one, was taken (RFC 6238 section 5.2)."""
    free = sa.and_(
        totp.c.user_id == user_id,
        totp.c.secret == sealed,
        sa.or_(totp.c.last_step.is_(None), totp.c.last_step < step),
    )
    return tx.changed(sa.update(totp).where(free).values(last_step=step))


def delete_totp(tx: Tx, user_id: int) -> bool:
    """Delete the secrets; False when none was active (a pending one then stays)."""
    return tx.changed(sa.delete(totp).where(totp.c.user_id == user_id, totp.c.secret.is_not(None)))


def set_pending_email(tx: Tx, user_id: int, email: str) -> None:
    row = tx.insert(email_otp).values(user_id=user_id, pending_email=email)
    tx.execute(row.on_conflict_do_update(index_elements=[email_otp.c.user_id], set_={"pending_email": email}))


def activate_email(tx: Tx, user_id: int, email: str) -> None:
    active = {"email": email, "pending_email": None, "completed_at": tx.now}
    tx.execute(sa.update(email_otp).where(email_otp.c.user_id == user_id).values(active))


def delete_email_otp(tx: Tx, user_id: int) -> bool:
    """Delete the addresses; False when none was active (a pending one then stays)."""
    return tx.changed(sa.delete(email_otp).where(email_otp.c.user_id == user_id, email_otp.c.email.is_not(None)))


def replace_recovery_codes(tx: Tx, user_id: int, hashes: list[bytes]) -> None:
    delete_recovery_codes(tx, user_id)
    rows = [{"user_id": user_id, "code_hash": code_hash, "created_at": tx.now} for code_hash in hashes]
    tx.execute(sa.insert(recovery_codes), rows)


def use_recovery_code(tx: Tx, user_id: int, code_hash: bytes) -> bool:
    """Use the code up; False when it is none of the user's unused ones."""
    unused = sa.and_(
        recovery_codes.c.user_id == user_id,
        recovery_codes.c.code_hash == code_hash,
        recovery_codes.c.used_at.is_(None),
    )
    return tx.changed(sa.update(recovery_codes).where(unused).values(used_at=tx.now))


def delete_recovery_codes(tx: Tx, user_id: int) -> bool:
    """False when there were none."""
    return tx.changed(sa.delete(recovery_codes).where(recovery_codes.c.user_id == user_id))


def delete_all(tx: Tx, user_id: int) -> None:
    """Take all second factors off the user."""
    for table in (totp, email_otp, recovery_codes):
        tx.execute(sa.delete(table).where(table.c.user_id == user_id))
