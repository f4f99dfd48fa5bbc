"""The outbox as administrators see it: what waits, what was given up and why; never what a mail carries."""

from collections.abc import Collection
from dataclasses import dataclass

from doorward import audit
from doorward.core.db import Tx
from doorward.core.errors import Refused
from doorward.core.vault import CannotOpen
from doorward.env import Env
from doorward.mail import outbox
from doorward.mail.outbox import Kept, Mail


@dataclass(frozen=True)
class MailState:
    """A mail that waits or was given up, opened: `mail` is None where no key opens it."""

    kept: Kept
    mail: Mail | None


def page(env: Env, limit: int, after_id: int = 0, *, failed: bool = False) -> list[MailState]:
    """The mails that wait, or those that were given up, oldest first; those after the one with the id `after_id`."""
    with env.db.read() as tx:
        kept = outbox.page(tx, limit, after_id, failed=failed)
    return [_state(env, each) for each in kept]


def to(tx: Tx, env: Env, addresses: Collection[str], limit: int) -> list[MailState]:
    """The newest mails to each of the addresses that wait or were given up; those for nobody are left out."""
    found = (_state(env, kept) for address in addresses for kept in env.outbox.to(tx, address, limit))
    return [each for each in found if each.mail is None or not each.mail.to_nobody]


def find(env: Env, mail_id: int) -> MailState | None:
    """The mail, if it waits or was given up."""
    with env.db.read() as tx:
        kept = outbox.find(tx, mail_id)
    return None if kept is None else _state(env, kept)


def send_again(env: Env, mail_id: int, by: audit.By) -> None:
    """Let the mail be tried at once, whether it waits or was given up.

    Raises Refused: MAIL_NOT_FOUND, MAIL_EXPIRED, MAIL_IN_PROGRESS.
    """
    with env.db.write() as tx:
        _require_alive(tx, mail_id)
        if not outbox.send_again(tx, mail_id):
            raise Refused("MAIL_IN_PROGRESS")
        audit.record(tx, "mail.sent_again", user_id=None, detail=str(mail_id), by=by)


def _require_alive(tx: Tx, mail_id: int) -> None:
    kept = outbox.find(tx, mail_id, lock=True)
    if kept is None:
        raise Refused("MAIL_NOT_FOUND")
    if kept.expires_at is not None and kept.expires_at <= tx.now:
        raise Refused("MAIL_EXPIRED")


def _state(env: Env, kept: Kept) -> MailState:
    try:
        return MailState(kept, env.outbox.open(kept.content))
    except CannotOpen:
        return MailState(kept, None)
