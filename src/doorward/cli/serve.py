"""`doorward serve` and `doorward worker`: the running service."""

import argparse
import gc
import os
import shutil
import signal
import socket
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from doorward import __version__
from doorward.cli.failure import Failure
from doorward.core import logs
from doorward.core.client import is_loopback
from doorward.core.clock import SystemClock
from doorward.core.db import Database
from doorward.core.migrate import HEAD, current, migrate
from doorward.core.vault import Vault, make_private_folder, secret_key_in
from doorward.settings import Settings

SHARED_METRICS = "PROMETHEUS_MULTIPROC_DIR"


def serve(settings: Settings, args: argparse.Namespace) -> None:
    """Run the service until it is told to stop. Raises Failure for whatever keeps it from starting."""
    run_server(settings, args.host, args.port, args.workers)


def run_server(settings: Settings, host: str, port: int, workers: int) -> None:
    """Prepare the database, then serve. Raises Failure."""
    require_free_port(host, port)
    prepare(settings)
    if workers > 1:
        _share_metrics(settings.data_dir)
    # Imported once here, the code is in memory once, whatever number of processes is forked from this one.
    from granian import Granian  # noqa: PLC0415
    from granian.constants import Interfaces  # noqa: PLC0415

    import doorward.app  # noqa: F401, PLC0415

    server = Granian(
        "doorward",
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=workers,
        blocking_threads=settings.request_threads,
        respawn_failed_workers=True,
        log_enabled=False,
    )
    print(f"Doorward {__version__} listens at http://{host}:{port}", flush=True)
    gc.freeze()
    with_inbox = not settings.smtp_url and is_loopback(host)
    server.serve(target_loader=partial(load_app, settings, with_inbox=with_inbox), wrap_loader=False)


def load_app(settings: Settings, *, with_inbox: bool) -> Callable[..., Any]:
    """In a server process: its app, with the mail worker and the sweeper beside it."""
    from doorward.app import build  # noqa: PLC0415

    logs.configure(settings.log_format)
    doorward = build(settings, with_inbox=with_inbox)
    doorward.start_background()
    return doorward.app


def work(settings: Settings, _args: argparse.Namespace) -> None:
    """Send mails and sweep, without serving. Raises Failure."""
    from doorward.app import build  # noqa: PLC0415

    prepare(settings)
    logs.configure(settings.log_format)
    with closing(build(settings)) as doorward:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: doorward.worker.stop())
        print("Doorward's mail worker runs", flush=True)
        doorward.start_sweeping()
        doorward.worker.run()


def prepare(settings: Settings) -> None:
    """The data folder, the secret key, the schema and the signing keys. Raises Failure."""
    from doorward.tokens.keyring import Keyring, WrongSecretKey  # noqa: PLC0415

    try:
        make_private_folder(settings.data_dir)
        vault = Vault(settings.secret_key or secret_key_in(settings.data_dir))
    except OSError as error:
        raise Failure(f"{settings.data_dir}: {error.strerror}: set DOORWARD_DATA_DIR to a folder of yours") from error
    with closing(Database(settings.database, SystemClock(), pool=2)) as database:
        version = current(database)
        if version != HEAD:
            _upgrade(settings, database, version)
        try:
            Keyring(database, vault, SystemClock(), settings.token_algorithm).ensure()
        except WrongSecretKey as error:
            raise Failure(
                "the signing keys can't be opened: DOORWARD_SECRET_KEY (or secret.key in the data folder) is not "
                "the one that this database was made with"
            ) from error


def require_free_port(host: str, port: int) -> None:
    """Raises Failure when something listens there already, or the address is not this machine's."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise Failure(f"can't listen at {host}:{port} ({error.strerror}): choose another with --port") from error


def _upgrade(settings: Settings, database: Database, version: str | None) -> None:
    if version is not None and version > HEAD:
        raise Failure(f"the schema is of a newer release ({version}; this one works on {HEAD}): upgrade Doorward")
    if not database.is_sqlite:
        raise Failure(f"the schema is {version or 'empty'}, this release works on {HEAD}: run `doorward migrate`")
    migrate(settings.database)


def _share_metrics(data_dir: Path) -> None:
    folder = data_dir / "metrics"
    shutil.rmtree(folder, ignore_errors=True)
    make_private_folder(folder)
    os.environ[SHARED_METRICS] = str(folder)
