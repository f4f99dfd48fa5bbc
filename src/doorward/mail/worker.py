"""Sends the mails of the outbox: claim, send, delete.

A claim is a compare-and-set with a time limit, so that any number of workers share an outbox and each mail has one. A
worker that dies leaves its claim behind. When that is over, the mail may have been sent or not; it is sent once more,
and never a third time: `doubtful` marks it.
"""

import smtplib
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from doorward.core import metrics, tallies
from doorward.core.clock import HOUR, MINUTE, SECOND, Clock
from doorward.core.db import Database
from doorward.core.logs import logger
from doorward.core.periodic import Periodic
from doorward.core.tables import outbox as table
from doorward.core.vault import CannotOpen
from doorward.mail import outbox
from doorward.mail.delivery import Delivery, Undeliverable
from doorward.mail.message import build
from doorward.mail.outbox import Outbox
from doorward.mail.render import Renderer

POLL_S = 0.5
CLAIM = 5 * MINUTE
FIRST_RETRY = 5 * SECOND
LONGEST_RETRY = 15 * MINUTE
GIVE_UP_AFTER = 48 * HOUR
LOST = "two workers died over it"


class Worker(Periodic):
    """Works the outbox off. Any number may run."""

    def __init__(self, db: Database, outbox: Outbox, renderer: Renderer, delivery: Delivery, clock: Clock) -> None:
        super().__init__("outbox", POLL_S)
        self._db = db
        self._outbox = outbox
        self._renderer = renderer
        self._delivery = delivery
        self._clock = clock
        self._gone_out: list[int] = []
        self._is_away = False

    def work(self) -> None:
        """Deal with all mails that are due by now.

        A mail that comes meanwhile waits for the next time. Sent beside the answer to whoever asked for it, it would
        slow that one down, and so tell who has an account. Where no mail server answers, one mail is tried and the
        others rest: thousands of vain tries would take the cores from those who log in.
        """
        woke = self._clock.now_ms()
        self._is_away = False
        while not self._stopping.is_set() and not self._is_away and self.run_once(woke):
            pass

    def run_once(self, due_by: int | None = None) -> bool:
        """Deal with the mail that is due first, by that time (milliseconds) or by now; False when none is."""
        self._confirm()
        row = self._claim(self._clock.now_ms() if due_by is None else due_by)
        if row is None:
            return False
        if row.expires_at is not None and row.expires_at <= self._clock.now_ms():
            self._give_up(row.id, "expired")
        else:
            self._send(row)
        return True

    def _send(self, row: sa.Row[Any]) -> None:
        try:
            mail = self._outbox.open(row.content)
            if mail.to_nobody:
                with self._db.write() as tx:
                    tx.execute(sa.delete(table).where(table.c.id == row.id))
                return
            rendered = self._renderer.render(mail.template, mail.origin, mail.language, mail.params)
            sent_at = datetime.fromtimestamp(row.created_at / SECOND, UTC)
            # The same Message-ID at each try: a mail that was sent twice shows as one.
            message = build(rendered, mail.to, f"{row.id}.{row.created_at}", sent_at)
            self._delivery.send(message)
        except Undeliverable as error:
            self._give_up(row.id, "undeliverable", str(error))
        except CannotOpen:
            self._give_up(row.id, "undeliverable", "no key opens it")
        except ValueError:
            # An address that the contract takes and no mail can go to, such as one with a quoted local part.
            self._give_up(row.id, "undeliverable", "not an address that mail can be sent to")
        except (OSError, smtplib.SMTPException) as error:
            self._is_away = not isinstance(error, smtplib.SMTPException)
            self._retry(row, type(error).__name__)
        else:
            metrics.mails.labels("sent").inc()
            logger.info("mail sent", mail=row.id, template=mail.template)
            self._gone_out.append(row.id)
            self._confirm()

    def _confirm(self) -> None:
        """Delete what was sent; while the database is away, it is kept in mind, so that it is not sent again."""
        while self._gone_out:
            with self._db.write() as tx:
                if tx.changed(sa.delete(table).where(table.c.id == self._gone_out[-1])):
                    tallies.note(tx, "mails_sent")
            self._gone_out.pop()

    def _claim(self, due_by: int) -> sa.Row[Any] | None:
        due = self._due(due_by)
        with self._db.read() as tx:
            if tx.row(due) is None:
                return None
        with self._db.write() as tx:
            first = due.with_for_update(skip_locked=True).scalar_subquery()
            # A claim that ran out was a worker's that died; the second time nobody can tell how often it was sent.
            died = table.c.claimed_until.is_not(None)
            lost = tx.execute(sa.select(table.c.id).where(table.c.id == first, died, table.c.doubtful))
            if (lost_id := lost.scalar()) is not None:
                outbox.keep_as_failed(tx, lost_id, LOST)
                tallies.note(tx, "mails_failed")
                logger.warning("mail given up", mail=lost_id, reason=LOST)
                return None
            claim = sa.update(table).where(table.c.id == first).values(claimed_until=tx.now + CLAIM, doubtful=died)
            return tx.row(claim.returning(table))

    def _due(self, by: int) -> sa.Select[Any]:
        """The id of the mail that is due first by that time, and in nobody's hands."""
        free = sa.or_(table.c.claimed_until.is_(None), table.c.claimed_until <= by)
        due = sa.select(table.c.id).where(table.c.next_attempt_at <= by, free)
        return due.order_by(table.c.next_attempt_at).limit(1)

    def _retry(self, row: sa.Row[Any], reason: str) -> None:
        if row.created_at + GIVE_UP_AFTER <= self._clock.now_ms():
            self._give_up(row.id, "undeliverable", reason)
            return
        wait = min(FIRST_RETRY << min(row.attempts, 16), LONGEST_RETRY)
        with self._db.write() as tx:
            tx.execute(
                sa.update(table)
                .where(table.c.id == row.id)
                .values(
                    attempts=row.attempts + 1,
                    next_attempt_at=tx.now + wait,
                    claimed_until=None,
                    doubtful=False,
                    last_error=reason,
                )
            )
            tallies.note(tx, "mails_delayed")
        metrics.mails.labels("retried").inc()
        logger.warning("mail delayed", mail=row.id, reason=reason, wait_s=wait // SECOND)

    def _give_up(self, mail_id: int, outcome: str, reason: str = "") -> None:
        with self._db.write() as tx:
            outbox.keep_as_failed(tx, mail_id, reason or outcome)
            tallies.note(tx, "mails_failed")
        metrics.mails.labels(outcome).inc()
        logger.warning("mail given up", mail=mail_id, reason=reason or outcome)
