"""After a change of the secret key: what former ones have sealed is sealed anew, while the service runs.

Each value is replaced by compare-and-set, so that any number may do this at once, and a value that changes meanwhile is
left to the next pass. The signing keys come last, and only when nothing else is left: whoever forgets a former secret
key too early is told so at the next start, before anybody's second factor fails.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from doorward.core import digest_key
from doorward.core.db import Database, Tx
from doorward.core.logs import logger
from doorward.core.tables import kept_secrets, signing_keys, totp
from doorward.core.tables import outbox as mails
from doorward.core.vault import CannotOpen, Vault
from doorward.factors.totp import context as totp_context
from doorward.mail import outbox
from doorward.tokens import keyring

BATCH = 200
MOST_A_SWEEP = 50 * BATCH


@dataclass(frozen=True)
class Sealed:
    """A column of sealed values; `context` gives what each is bound to, by its row's key."""

    value: sa.Column[Any]
    key: sa.Column[Any]
    context: Callable[[Any], str]

    def left(self, prefix: bytes) -> sa.ColumnElement[bool]:
        """Which values the present secret key has not sealed."""
        head = sa.func.substr(self.value, 1, len(prefix), type_=sa.LargeBinary)
        return sa.and_(self.value.is_not(None), head != prefix)


VALUES = (
    Sealed(totp.c.secret, totp.c.user_id, totp_context),
    Sealed(totp.c.pending_secret, totp.c.user_id, totp_context),
    Sealed(mails.c.content, mails.c.id, lambda _: outbox.CONTEXT),
    Sealed(kept_secrets.c.sealed, kept_secrets.c.name, digest_key.context),
)
SIGNING_KEYS = Sealed(signing_keys.c.private_key, signing_keys.c.kid, keyring.context)


@dataclass
class Resealed:
    """How many values were sealed anew, and how many no key opens, which stay as they are."""

    done: int = 0
    unopened: int = 0


def left(tx: Tx, vault: Vault) -> int:
    """How many values the present secret key has not sealed."""
    counts = (
        sa.select(sa.func.count()).select_from(each.value.table).where(each.left(vault.seal_prefix))
        for each in (*VALUES, SIGNING_KEYS)
    )
    return sum(tx.execute(count).scalar_one() for count in counts)


def reseal(db: Database, vault: Vault, most: int | None = None) -> Resealed:
    """Seal anew what the present secret key has not sealed, `most` values about."""
    result = Resealed()
    if all(_reseal(db, vault, each, result, most) for each in VALUES):
        _reseal(db, vault, SIGNING_KEYS, result, most)
    if result.done or result.unopened:
        logger.info("resealed", done=result.done, unopened=result.unopened)
    return result


def _reseal(db: Database, vault: Vault, each: Sealed, result: Resealed, most: int | None) -> bool:
    """Whether the column came to its end."""
    wanted = sa.select(each.key, each.value).where(each.left(vault.seal_prefix)).order_by(each.key).limit(BATCH)
    after: sa.ColumnElement[bool] = sa.true()
    while most is None or result.done < most:
        with db.read() as tx:
            rows = tx.execute(wanted.where(after)).all()
        if not rows:
            return True
        _replace(db, each, _sealed_anew(vault, each, rows, result))
        after = each.key > rows[-1][0]
    return False


def _sealed_anew(vault: Vault, each: Sealed, rows: Any, result: Resealed) -> list[dict[str, Any]]:
    changes = []
    for key, old in rows:
        context = each.context(key)
        try:
            changes.append({"row": key, "old": old, "new": vault.seal(vault.open(old, context), context)})
        except CannotOpen:
            result.unopened += 1
    result.done += len(changes)
    return changes


def _replace(db: Database, each: Sealed, changes: list[dict[str, Any]]) -> None:
    unchanged = sa.and_(each.key == sa.bindparam("row"), each.value == sa.bindparam("old"))
    statement = sa.update(each.value.table).where(unchanged).values({each.value: sa.bindparam("new")})
    if changes:
        with db.write() as tx:
            tx.execute(statement, changes)
