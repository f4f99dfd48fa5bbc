"""Mails on their way: written in the caller's transaction, sent by a worker (`doorward.mail.worker`).

One that was given up stays for a week, so that an administrator sees why and can have it sent again.
"""

from dataclasses import dataclass, field
from typing import Any

import msgspec
import sqlalchemy as sa

from doorward.core.clock import DAY
from doorward.core.db import Reader, Tx
from doorward.core.statements import Statement
from doorward.core.tables import outbox as table
from doorward.core.vault import Vault

CONTEXT = "outbox"
NEVER = 2**62
"""When a mail that was given up is tried next."""
FAILED_MAIL_KEPT = 7 * DAY


@dataclass(frozen=True)
class Mail:
    """A mail to write: which template, to whom, of which brand (`origin`), in which language (None: the brand's).

    One `to_nobody` is kept like any other and dropped when its turn comes: asking for an account that does not exist
    does the same work as for one that does.
    """

    to: str
    template: str
    origin: str | None = None
    language: str | None = None
    params: dict[str, str | int] = field(default_factory=dict)
    to_nobody: bool = False


@dataclass(frozen=True)
class Kept:
    """A mail that waits or was given up (`failed_at`), and how it went so far. Times are in milliseconds."""

    id: int
    content: bytes
    created_at: int
    expires_at: int | None
    next_attempt_at: int
    attempts: int
    last_error: str | None
    failed_at: int | None


LOOKED_AT = 1000
# Of those that are due first, by their index: it costs the same however many wait, or were given up.
_due_first = (
    sa.select(table.c.created_at)
    .where(table.c.next_attempt_at < sa.literal_column(str(NEVER)))
    .order_by(table.c.next_attempt_at)
    .limit(sa.literal_column(str(LOOKED_AT)))
    .offset(sa.literal_column("0"))
    .subquery()
)
OLDEST = Statement(sa.select(sa.func.min(_due_first.c.created_at)))

COLUMNS: tuple[Any, ...] = tuple(table.c[name] for name in Kept.__dataclass_fields__)

# Made here, before there are threads: see `doorward.http.bodies.decoder`.
_decode = msgspec.json.Decoder(Mail).decode


class Outbox:
    """Keeps mails encrypted, since they hold codes and addresses."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def put(self, tx: Tx, mail: Mail, expires_at: int | None = None) -> None:
        """Queue the mail; after `expires_at` (milliseconds) it is not sent any more."""
        row = {
            "content": self._vault.seal(msgspec.json.encode(mail), CONTEXT),
            "created_at": tx.now,
            "next_attempt_at": tx.now,
            "expires_at": expires_at,
            "recipient": self._recipient(mail.to),
        }
        tx.execute(sa.insert(table).values(row))

    def to(self, tx: Tx, address: str, limit: int) -> list[Kept]:
        """The newest mails to the address that wait or were given up, newest first."""
        theirs = table.c.recipient == self._recipient(address)
        rows = tx.execute(sa.select(*COLUMNS).where(theirs).order_by(table.c.id.desc()).limit(limit))
        return [Kept(**row._mapping) for row in rows]

    def _recipient(self, address: str) -> bytes:
        return self._vault.digest("recipient", address.casefold())

    def open(self, content: bytes) -> Mail:
        """The mail of a row. Raises CannotOpen."""
        return _decode(self._vault.open(content, CONTEXT))


def oldest(reader: Reader) -> int | None:
    """Since when (milliseconds) the mail waits that was written first, of the thousand that are due first."""
    row = reader.first(OLDEST, {})
    return row[0] if row else None


def page(tx: Tx, limit: int, after_id: int = 0, *, failed: bool = False) -> list[Kept]:
    """The mails that wait, or those that were given up, oldest first; those after the one with the id `after_id`."""
    rows = tx.execute(
        sa.select(*COLUMNS).where(_are(failed=failed), table.c.id > after_id).order_by(table.c.id).limit(limit)
    )
    return [Kept(**row._mapping) for row in rows]


def count(tx: Tx, most: int, *, failed: bool) -> int:
    """How many mails wait, or were given up; `most` are that many at least."""
    some = sa.select(table.c.id).where(_are(failed=failed)).limit(most).subquery()
    return int(tx.execute(sa.select(sa.func.count()).select_from(some)).scalar_one())


def _are(*, failed: bool) -> sa.ColumnElement[bool]:
    return table.c.next_attempt_at == NEVER if failed else table.c.next_attempt_at < NEVER


def find(tx: Tx, mail_id: int, *, lock: bool = False) -> Kept | None:
    """The mail, if it waits or was given up; with `lock`, nobody else changes it meanwhile."""
    wanted = sa.select(*COLUMNS).where(table.c.id == mail_id)
    row = tx.row(wanted.with_for_update() if lock else wanted)
    return None if row is None else Kept(**row._mapping)


def keep_as_failed(tx: Tx, mail_id: int, reason: str) -> None:
    """Give the mail up; `reason` is a word of ours."""
    failed = {"failed_at": tx.now, "next_attempt_at": NEVER, "claimed_until": None, "last_error": reason}
    tx.execute(sa.update(table).where(table.c.id == mail_id).values(failed))


def send_again(tx: Tx, mail_id: int) -> bool:
    """Let the mail be tried now, with the patience that a new one has; False when a worker is at it, or it is gone."""
    free = sa.or_(table.c.claimed_until.is_(None), table.c.claimed_until <= tx.now)
    fresh = {"failed_at": None, "next_attempt_at": tx.now, "attempts": 0, "claimed_until": None, "doubtful": False}
    return tx.changed(sa.update(table).where(table.c.id == mail_id, free).values(fresh))
