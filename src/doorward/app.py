"""The composition root: settings in, a running service out. The only place that knows every part."""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from doorward.core import metrics
from doorward.core.clock import DAY, Clock, SystemClock
from doorward.core.db import Database
from doorward.core.digest_key import kept_digest_key
from doorward.core.errors import DatabaseUnavailable
from doorward.core.tallies import Errors
from doorward.core.vault import Vault, secret_key_in
from doorward.env import Env
from doorward.events.chain import Chain
from doorward.events.forward import Forwarder
from doorward.events.receivers import receivers_of
from doorward.events.worker import EventWorker
from doorward.hashing.pool import Hasher
from doorward.hashing.schemes import Argon2Cost
from doorward.http.app import make_app
from doorward.http.figures import Figures
from doorward.http.observe import Observed, Observing
from doorward.mail.brands import load_brands
from doorward.mail.delivery import Delivery, Inbox, Smtp
from doorward.mail.outbox import Outbox
from doorward.mail.render import Renderer
from doorward.mail.worker import Worker
from doorward.reseal import MOST_A_SWEEP, reseal
from doorward.settings import Settings, SettingsError
from doorward.sweeper import Sweeper
from doorward.tokens.keyring import Keyring
from doorward.tokens.tokens import Tokens

if TYPE_CHECKING:
    from doorward.traces import Tracing

STOP_WITHIN_S = 10
NEEDS_OTEL = "`traces_url`: OpenTelemetry is not installed: `pip install 'doorward[otel]'` (or `make otel`) brings it"


@dataclass(frozen=True)
class Doorward:
    """One process of the service."""

    env: Env
    app: Observed
    worker: Worker
    sweeper: Sweeper
    figures: Figures
    events: EventWorker
    forwarders: list[EventWorker]
    errors: Errors
    tracing: "Tracing | None" = None
    threads: list[threading.Thread] = field(default_factory=list)

    def start_background(self) -> None:
        """Send mails, seal events, stream them out and sweep, in threads of their own."""
        self._start("mail", self.worker.run)
        self.start_sweeping()
        if metrics.are_shared():
            self._start("figures", self.figures.run)

    def start_sweeping(self) -> None:
        """Seal events, stream them out, and sweep."""
        self._start("events", self.events.run)
        for forwarder in self.forwarders:
            self._start("forward", forwarder.run)
        self._start("sweep", self.sweeper.run)

    def close(self) -> None:
        """Let what runs come to its end: a mail on its way is sent, and known to be."""
        for part in (self.worker, self.sweeper, self.figures, self.events, *self.forwarders):
            part.stop()
        for thread in self.threads:
            thread.join(STOP_WITHIN_S)
        with suppress(DatabaseUnavailable):
            self.errors.write()
        if self.tracing is not None:
            self.tracing.close()
        self.env.hasher.close()
        self.env.db.close()

    def _start(self, name: str, run: Callable[[], None]) -> None:
        thread = threading.Thread(target=run, name=name, daemon=True)
        thread.start()
        self.threads.append(thread)


def build_env(settings: Settings, clock: Clock | None = None, tracing: "Tracing | None" = None) -> Env:
    """The parts below HTTP, over a database that has this release's schema.

    Raises DatabaseUnavailable, WrongSecretKey, BrandError, FilterError.
    """
    clock = clock or SystemClock()
    if settings.password_filter is not None:
        from doorward.passwords.filter import opened  # noqa: PLC0415 -- nothing is loaded that is off

        opened(settings.password_filter)
    mails = Renderer(load_brands(settings.brands_file, settings.mail_sender, settings.public_url))
    secret_key = settings.secret_key or secret_key_in(settings.data_dir)
    vault = Vault(secret_key, settings.previous_secret_keys)
    db = (Database if tracing is None else tracing.database)(settings.database, clock, settings.limits)
    keyring = Keyring(db, vault, clock, settings.token_algorithm)
    try:
        keyring.ensure()
        vault = Vault(secret_key, settings.previous_secret_keys, kept_digest_key(db, vault))
    except Exception:
        db.close()
        raise
    return Env(
        settings=settings,
        clock=clock,
        db=db,
        vault=vault,
        hasher=(Hasher if tracing is None else tracing.hasher)(
            Argon2Cost(settings.argon2_time_cost, settings.argon2_memory_kib),
            settings.hash_threads,
            settings.hash_wait,
        ),
        tokens=Tokens(keyring, clock, settings.issuer, settings.token_audience),
        outbox=Outbox(vault),
        mails=mails,
    )


def build(
    settings: Settings,
    clock: Clock | None = None,
    *,
    with_inbox: bool = False,
    is_stopping: Callable[[], bool] = lambda: False,
) -> Doorward:
    """The whole service; `with_inbox` shows caught mails at /dev/inbox where there is no mail server.

    Once it `is_stopping`, it is not ready and keeps no connection open for further requests. Raises as `build_env`,
    and SettingsError.
    """
    tracing = tracing_of(settings)
    env = build_env(settings, clock, tracing)
    inbox = inbox_of(settings)
    figures = Figures(env)
    chain = Chain(env.db, env.vault)
    errors = Errors(env.db, env.clock)

    def seal() -> bool:
        errors.write()
        return chain.seal() > 0

    return Doorward(
        env=env,
        app=make_app(
            env,
            figures,
            inbox if with_inbox and settings.inbox_may_show else None,
            is_stopping,
            errors,
            Observed if tracing is None else traced_by(tracing, settings),
        ),
        worker=Worker(env.db, env.outbox, env.mails, delivery_of(settings), env.clock),
        sweeper=Sweeper(env.db, partial(chain.forget, settings.events_kept_days), chores_of(env)),
        events=EventWorker("events", seal),
        forwarders=[
            EventWorker(f"events to {each.name}", Forwarder(env.db, each).run_once)
            for each in receivers_of(settings, env.clock)
        ],
        figures=figures,
        errors=errors,
        tracing=tracing,
    )


def tracing_of(settings: Settings) -> "Tracing | None":
    """None, with nothing loaded, unless traces are asked for. Raises SettingsError where their packages are missing."""
    if not settings.traces_url:
        return None
    try:
        from doorward.traces import Tracing  # noqa: PLC0415 -- nothing is loaded that is off
    except ModuleNotFoundError as error:
        raise SettingsError(NEEDS_OTEL) from error
    return Tracing(settings.traces_url)


def traced_by(tracing: "Tracing", settings: Settings) -> Observing:
    """Makes what stands around the app, with a span a request."""
    from doorward.http.traced import Traced  # noqa: PLC0415 -- see above

    return partial(Traced, tracer=tracing.tracer, scheme=urlsplit(settings.public_url).scheme)


def chores_of(env: Env) -> list[Callable[[], object]]:
    """What the sweeper does beside sweeping."""
    chores: list[Callable[[], object]] = []
    if env.settings.signing_key_max_age:
        chores.append(partial(env.tokens.keyring.rotate_if_older, env.settings.signing_key_max_age * DAY))
    if env.settings.previous_secret_keys:
        chores.append(partial(reseal, env.db, env.vault, MOST_A_SWEEP))
    return chores


def delivery_of(settings: Settings) -> Delivery:
    """The mail server, or without one the inbox."""
    return Smtp(settings.smtp_url, settings.smtp_timeout) if settings.smtp_url else inbox_of(settings)


def inbox_of(settings: Settings) -> Inbox:
    return Inbox(settings.data_dir / "inbox")
