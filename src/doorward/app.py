"""The composition root: settings in, a running service out. The only place that knows every part."""

import threading
from dataclasses import dataclass

from doorward.core.clock import Clock, SystemClock
from doorward.core.db import Database
from doorward.core.vault import Vault, secret_key_in
from doorward.env import Env
from doorward.hashing.pool import Hasher
from doorward.hashing.schemes import Argon2Cost
from doorward.http.app import make_app
from doorward.http.observe import Observed
from doorward.mail.brands import load_brands
from doorward.mail.delivery import Delivery, Inbox, Smtp
from doorward.mail.outbox import Outbox
from doorward.mail.render import Renderer
from doorward.mail.worker import Worker
from doorward.settings import Settings
from doorward.sweeper import Sweeper
from doorward.tokens.keyring import Keyring
from doorward.tokens.tokens import Tokens


@dataclass(frozen=True)
class Doorward:
    """One process of the service."""

    env: Env
    app: Observed
    worker: Worker
    sweeper: Sweeper

    def start_background(self) -> None:
        """Send mails and sweep, in threads that end with the process."""
        threading.Thread(target=self.worker.run, name="mail", daemon=True).start()
        self.start_sweeping()

    def start_sweeping(self) -> None:
        threading.Thread(target=self.sweeper.run, name="sweep", daemon=True).start()

    def close(self) -> None:
        self.worker.stop()
        self.sweeper.stop()
        self.env.hasher.close()
        self.env.db.close()


def build_env(settings: Settings, clock: Clock | None = None) -> Env:
    """The parts below HTTP, over a database that has this release's schema.

    Raises DatabaseUnavailable, WrongSecretKey, BrandError.
    """
    clock = clock or SystemClock()
    vault = Vault(settings.secret_key or secret_key_in(settings.data_dir))
    db = Database(settings.database, clock, settings.database_pool)
    keyring = Keyring(db, vault, clock, settings.token_algorithm)
    keyring.ensure()
    return Env(
        settings=settings,
        clock=clock,
        db=db,
        vault=vault,
        hasher=Hasher(
            Argon2Cost(settings.argon2_time_cost, settings.argon2_memory_kib),
            settings.hash_threads,
            settings.hash_queue,
        ),
        tokens=Tokens(keyring, clock, settings.issuer, settings.token_audience),
        outbox=Outbox(vault),
        mails=Renderer(load_brands(settings.brands_file, settings.mail_sender, settings.public_url)),
    )


def build(settings: Settings, clock: Clock | None = None, *, with_inbox: bool = False) -> Doorward:
    """The whole service; `with_inbox` shows caught mails at /dev/inbox where there is no mail server."""
    env = build_env(settings, clock)
    inbox = inbox_of(settings)
    return Doorward(
        env=env,
        app=make_app(env, inbox if with_inbox and not settings.smtp_url else None),
        worker=Worker(env.db, env.outbox, env.mails, delivery_of(settings), env.clock),
        sweeper=Sweeper(env.db),
    )


def delivery_of(settings: Settings) -> Delivery:
    """The mail server, or without one the inbox."""
    return Smtp(settings.smtp_url, settings.smtp_timeout) if settings.smtp_url else inbox_of(settings)


def inbox_of(settings: Settings) -> Inbox:
    return Inbox(settings.data_dir / "inbox")
