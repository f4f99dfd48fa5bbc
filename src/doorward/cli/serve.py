"""`doorward serve`: the running service."""

import argparse
import contextlib
import ctypes
import errno
import gc
import multiprocessing
import os
import shutil
import socket
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.util import Finalize
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from doorward import __version__
from doorward.cli import parser as kinds
from doorward.cli.failure import Failure
from doorward.cli.parser import Parser
from doorward.core import logs
from doorward.core.client import is_loopback
from doorward.core.sqlite_file import require_sound
from doorward.core.vault import make_private_folder
from doorward.settings import Settings

if TYPE_CHECKING:
    from doorward.cli.faults import Fault

GARBAGE_BEFORE_COLLECTION = 20_000
# A request that is not answered by then never will be: see the limits of the database and of hashing.
IN_FLIGHT_S = 20
LISTENS_SOON_S = 0.005
M_ARENA_MAX = -8  # as <malloc.h> has it
OTHER_PORT, OTHER_ADDRESS = "choose another with --port", "name an address of this machine with --host"
LISTEN_MENDS = {
    errno.EADDRINUSE: OTHER_PORT,
    errno.EACCES: "choose a port from 1024 with --port, and let a proxy have this one",
}
SHARED_METRICS = "PROMETHEUS_MULTIPROC_DIR"


def arguments(parser: Parser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen at (%(default)s)")
    parser.add_argument("--port", type=kinds.port, default=8000, help="the port to listen at (%(default)s)")
    parser.add_argument("--workers", type=kinds.positive, default=1, help="how many server processes (%(default)s)")
    parser.show_examples("doorward serve --config /etc/doorward.toml --workers 2")
    parser.set_defaults(run=serve)


def serve(settings: Settings, args: argparse.Namespace) -> None:
    """Run the service until it is told to stop. Raises Failure for whatever keeps it from starting."""
    run_server(settings, args.host, args.port, args.workers)


def run_server(settings: Settings, host: str, port: int, workers: int) -> None:
    """Serve until told to stop.

    Raises Failure, Damaged, SystemExit with the code of what kept a process from starting.
    """
    # Everything that is loaded from here on stays: the collector would look through it a dozen times for nothing.
    gc.disable()
    require_free_port(host, port)
    if settings.sqlite_file is not None:
        require_sound(settings.sqlite_file)
    if workers > 1:
        _share_metrics(settings.data_dir)
    start = Start()
    server = _server(settings, start, host, port, workers)
    threading.Thread(target=_welcome, args=(start, server, host, port), daemon=True).start()
    load = partial(load_app, settings, start, with_inbox=shows_inbox(settings, host))
    try:
        server.serve(target_loader=partial(_load_or_end, load, start) if workers > 1 else load, wrap_loader=False)
    except SystemExit as end:
        sys.exit(start.exit_code.value or end.code)


def _server(settings: Settings, start: "Start", host: str, port: int, workers: int) -> Any:
    # A process that watches over others loads no more than it needs for that.
    from granian.constants import HTTPModes, Interfaces  # noqa: PLC0415

    from doorward.cli.stopping import ManyProcesses, OneProcess  # noqa: PLC0415

    return (ManyProcesses if workers > 1 else partial(OneProcess, close=start.close))(
        "doorward",
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        # What proxies speak. Where either version may come, a client that says nothing is waited for without an end.
        http=HTTPModes.http1,
        websockets=False,
        # Else a client that never ends its body would keep a stopped server from ending.
        in_flight_s=IN_FLIGHT_S,
        workers=workers,
        blocking_threads=settings.request_threads,
        log_enabled=False,
        stopping=start.stopping,
        is_serving=start.succeeded.is_set,
        delay_s=settings.shutdown_delay,
    )


def shows_inbox(settings: Settings, host: str) -> bool:
    """Whether caught mails are shown: only on a machine that nobody else reaches, not even through a proxy on it."""
    return settings.inbox_may_show and is_loopback(host)


class Start:
    """What the server processes tell the one that watches over them, and it them: that they are about to stop."""

    def __init__(self) -> None:
        self.succeeded = multiprocessing.Event()
        self.failed = multiprocessing.Event()
        self.stopping = multiprocessing.RawValue(ctypes.c_bool, False)  # noqa: FBT003 -- a C value has no keywords
        self.exit_code = multiprocessing.Value("i", 0)
        self.closing: Callable[[], object] = bool

    def close(self) -> None:
        """In the process that serves: let what runs beside requests come to its end."""
        self.closing()


class Once:
    """Does it once, whoever asks for it first; who asks meanwhile waits for that."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._work = work
        self._lock = threading.Lock()

    def __call__(self) -> None:
        with self._lock:
            work, self._work = self._work, bool
            work()


def load_app(settings: Settings, start: Start, *, with_inbox: bool) -> Callable[..., Any]:
    """In the process that serves: its app, with the mail worker and the sweeper beside it.

    Raises whatever keeps it from starting.
    """
    from doorward.app import build  # noqa: PLC0415
    from doorward.cli.prepare import prepare  # noqa: PLC0415

    prepare(settings)
    doorward = build(settings, with_inbox=with_inbox, is_stopping=lambda: start.stopping.value)
    logs.configure(settings.log_format)
    doorward.start_background()
    start.closing = Once(doorward.close)
    # A forked process ends without `atexit`.
    Finalize(None, start.closing, exitpriority=0)
    _share_arenas()
    # What is here now stays: the collector need not look at it again, and has little to do between.
    gc.freeze()
    gc.set_threshold(GARBAGE_BEFORE_COLLECTION)
    gc.enable()
    start.succeeded.set()
    return doorward.app


def _share_arenas() -> None:
    """Let all threads allocate from two arenas: glibc gives each its own, and a hundred keep what they once needed."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)


def _load_or_end(load: Callable[[], Callable[..., Any]], start: Start) -> Callable[..., Any]:
    """As `load`, in one of several server processes; the first that can't start says why."""
    from doorward.cli.faults import explain  # noqa: PLC0415
    from doorward.cli.stopping import leave_when_told  # noqa: PLC0415

    leave_when_told(IN_FLIGHT_S, start.close)
    if start.stopping.value:
        # The signal came as nothing here heard it yet; what stops is told first.
        os._exit(0)
    try:
        return load()
    except Exception as error:
        fault = explain(error)
        if fault is None:
            raise
        _fail_once(start, fault)


def _fail_once(start: Start, fault: "Fault") -> NoReturn:
    if not start.failed.is_set():
        start.failed.set()
        start.exit_code.value = fault.exit_code
        print(f"doorward: {fault.line}", file=sys.stderr, flush=True)
    sys.stderr.flush()
    os._exit(fault.exit_code)


def _welcome(start: Start, server: Any, host: str, port: int) -> None:
    start.succeeded.wait()
    # A server process listens only after it has its app.
    while not _answers(host, port):
        time.sleep(LISTENS_SOON_S)
    # A server that could not start would not start the next time either; one that dies later is replaced.
    server.respawn_failed_workers = True
    gc.enable()
    print(f"Doorward {__version__} listens at http://{host}:{port}", flush=True)
    _tell_supervisor("READY=1")


def _tell_supervisor(state: str) -> None:
    """Tell systemd, if it asked to be told (sd_notify(3))."""
    told_at = os.environ.get("NOTIFY_SOCKET", "")
    if told_at:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
            # An address that begins with @ is an abstract one, which begins with a zero byte.
            supervisor.sendto(state.encode(), f"\0{told_at[1:]}" if told_at.startswith("@") else told_at)


def _answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def require_free_port(host: str, port: int) -> None:
    """Raises Failure when something listens there already, or the address is not this machine's."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            mend = LISTEN_MENDS.get(error.errno or 0, OTHER_ADDRESS)
            raise Failure(f"can't listen at {host}:{port} ({error.strerror}): {mend}") from error


def _share_metrics(data_dir: Path) -> None:
    folder = data_dir / "metrics"
    shutil.rmtree(folder, ignore_errors=True)
    make_private_folder(folder)
    os.environ[SHARED_METRICS] = str(folder)
