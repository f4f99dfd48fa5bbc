"""Mails on their way: written in the caller's transaction, sent by a worker (`doorward.mail.worker`)."""

from dataclasses import dataclass, field

import msgspec
import sqlalchemy as sa

from doorward.core.db import Tx
from doorward.core.tables import outbox as table
from doorward.core.vault import Vault

CONTEXT = "outbox"


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


# Made here, before there are threads: see `doorward.http.bodies.decoder`.
_decode = msgspec.json.Decoder(Mail).decode


class Outbox:
    """Keeps mails encrypted, since they hold codes and addresses."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def put(self, tx: Tx, mail: Mail, expires_at: int | None = None) -> None:
        """Queue the mail; after `expires_at` (milliseconds) it is not sent any more."""
        content = self._vault.seal(msgspec.json.encode(mail), CONTEXT)
        tx.execute(
            sa.insert(table).values(content=content, created_at=tx.now, next_attempt_at=tx.now, expires_at=expires_at)
        )

    def open(self, content: bytes) -> Mail:
        """The mail of a row. Raises CannotOpen."""
        return _decode(self._vault.open(content, CONTEXT))
