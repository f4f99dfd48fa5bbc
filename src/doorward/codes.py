"""Mailed codes: six digits, ten minutes, one use; only the newest of a purpose and subject counts.

Five wrong tries void a code. The count of wrong tries outlives the code: asking for a new one does not reset it, only
a right answer (or a day's rest) does. A new code is void after one more wrong try then. Kept as keyed digests.
"""

import hmac
import secrets
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa

from doorward.core.clock import DAY, MINUTE
from doorward.core.db import Tx
from doorward.core.tables import mailed_codes as table
from doorward.core.vault import Vault

Purpose = Literal["reset", "email-otp", "email-otp-setup", "transfer"]

LIFETIME = 10 * MINUTE
COUNT_KEPT = DAY
WRONG_TRIES = 5
DIGITS = 6


@dataclass(frozen=True)
class MailedCode:
    """What a right code proves: that its reader has `address`. `user_id` is None for an address without an account."""

    user_id: int | None
    address: str


@dataclass(frozen=True)
class Newest:
    """Where a code went, until when it is good (milliseconds), and whether too many wrong tries have voided it."""

    address: str
    expires_at: int
    is_void: bool


def new_code() -> str:
    return f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"


def put(
    tx: Tx,
    vault: Vault,
    purpose: Purpose,
    subject: str,
    *,
    code: str,
    address: str,
    user_id: int | None,
    lifetime: int = LIFETIME,
) -> None:
    """Keep the code as the newest; the one before it is void, the count of wrong tries stays.

    `lifetime` is in milliseconds.
    """
    newest = {
        "code_hash": vault.digest(purpose, subject, code),
        "user_id": user_id,
        "address": address,
        "expires_at": tx.now + lifetime,
    }
    row = tx.insert(table).values(purpose=purpose, subject=subject, wrong=0, **newest)
    rested = table.c.expires_at + COUNT_KEPT <= tx.now
    kept = sa.case((rested, 0), else_=table.c.wrong)
    tx.execute(
        row.on_conflict_do_update(index_elements=[table.c.purpose, table.c.subject], set_=newest | {"wrong": kept})
    )


def find_newest(tx: Tx, purpose: Purpose, subject: str) -> Newest | None:
    """The newest code, whether it is good or over; None where there is none, or it was used."""
    row = tx.row(sa.select(table.c.address, table.c.expires_at, table.c.code_hash).where(_is(purpose, subject)))
    return None if row is None else Newest(row.address, row.expires_at, is_void=row.code_hash is None)


def wrong_tries(tx: Tx, purpose: Purpose, subject: str) -> int:
    """How many wrong tries there were in a row."""
    counted = sa.and_(_is(purpose, subject), table.c.expires_at + COUNT_KEPT > tx.now)
    return tx.execute(sa.select(table.c.wrong).where(counted)).scalar() or 0


def check(tx: Tx, vault: Vault, purpose: Purpose, subject: str, code: str) -> MailedCode | None:
    """The mailed code if it is right, else None, with the wrong try counted. It is not used up."""
    row = tx.row(sa.select(table).where(_is(purpose, subject)).with_for_update())
    if row is None or row.code_hash is None or row.expires_at <= tx.now:
        return None
    if hmac.compare_digest(row.code_hash, vault.digest(purpose, subject, code)):
        return MailedCode(row.user_id, row.address)
    wrong = row.wrong + 1
    void = {"code_hash": None} if wrong >= WRONG_TRIES else {}
    tx.execute(sa.update(table).where(_is(purpose, subject)).values(wrong=wrong, **void))
    return None


def use(tx: Tx, vault: Vault, purpose: Purpose, subject: str, code: str) -> MailedCode | None:
    """As `check`, and a right code is used up."""
    mailed = check(tx, vault, purpose, subject, code)
    if mailed is not None:
        withdraw(tx, purpose, subject)
    return mailed


def withdraw(tx: Tx, purpose: Purpose, subject: str) -> None:
    """Delete the code and its count."""
    tx.execute(sa.delete(table).where(_is(purpose, subject)))


def _is(purpose: Purpose, subject: str) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.purpose == purpose, table.c.subject == subject)
