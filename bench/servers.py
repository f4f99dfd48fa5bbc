"""The servers that are measured: started on loopback with their data in folders of their own, and stopped again."""

import http.client
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.seed import WARM
from tests.support.servers import free_port

ROOT = Path(__file__).parent.parent
HOST = "127.0.0.1"
DOORWARD = str(Path(sys.executable).with_name("doorward"))
START_TIMEOUT_S = 30
STOP_TIMEOUT_S = 30
LONGEST_LOG = 2_000


@dataclass(frozen=True)
class Server:
    """A server that answers. `ready_s` is the time from its start to its first good answer."""

    pid: int
    port: int
    ready_s: float


@dataclass(frozen=True)
class Site:
    """A folder with the data of one installation."""

    folder: Path
    database_url: str = ""

    @property
    def database(self) -> str:
        """The database's URL."""
        return self.database_url or f"sqlite:///{self.folder / 'data' / 'doorward.db'}"

    def environ(self) -> dict[str, str]:
        """Settings as in production: mails go to a server (none is sent), client addresses come from a proxy."""
        mine = {name: value for name, value in os.environ.items() if not name.startswith("DOORWARD_")}
        return mine | {
            "DOORWARD_DATA_DIR": str(self.folder / "data"),
            "DOORWARD_DATABASE_URL": self.database_url,
            "DOORWARD_SMTP_URL": f"smtp://{HOST}:9",
            "DOORWARD_TRUSTED_PROXIES": HOST,
            "DOORWARD_SHUTDOWN_DELAY": "0",
        }

    def seed(self) -> None:
        """Make users, sessions and the requests that use them; once for a folder."""
        if not (self.folder / WARM).exists():
            (self.folder / "data").mkdir(mode=0o700)
            command = [sys.executable, "-m", "bench.seed", str(self.folder)]
            subprocess.run(command, cwd=ROOT, env=self.environ(), check=True)

    @contextmanager
    def serving(self, workers: int = 1) -> Iterator[Server]:
        """`doorward serve` with its default settings."""
        port = free_port()
        command = [DOORWARD, "serve", "--host", HOST, "--port", str(port), "--workers", str(workers)]
        with running(command, port, "/health/ready", self.environ(), self.folder / "log") as server:
            yield server


@contextmanager
def bare_server(folder: Path, threads: int) -> Iterator[Server]:
    """The same server with an app that does nothing."""
    port = free_port()
    command = [sys.executable, "-m", "bench.bare", str(port), str(threads)]
    with running(command, port, "/", dict(os.environ), folder / "bare.log") as server:
        yield server


@contextmanager
def running(
    command: Sequence[str], port: int, ready_path: str, environ: dict[str, str], log: Path, home: Path = ROOT
) -> Iterator[Server]:
    """A server that answers `ready_path`, stopped at the end of the block."""
    with log.open("wb") as output:
        began = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=home, env=environ, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        try:
            while not _answers(port, ready_path):
                _require_starting(process, time.perf_counter() - began, log)
                time.sleep(0.002)
            yield Server(process.pid, port, time.perf_counter() - began)
        finally:
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=START_TIMEOUT_S)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


def _require_starting(process: "subprocess.Popen[bytes]", waited_s: float, log: Path) -> None:
    if process.poll() is not None or waited_s > START_TIMEOUT_S:
        raise RuntimeError(f"a server did not start:\n{log.read_text('utf-8', 'replace')[-LONGEST_LOG:]}")
