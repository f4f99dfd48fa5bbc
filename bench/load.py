"""Load on a server: as fast as it goes (wrk), or so many requests a second whatever it does (our own)."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench import machine
from bench.servers import HOST, Server

SCRIPT = Path(__file__).with_name("cycle.lua")
PACED_CONNECTIONS = 16
TIMEOUT_S = 10
BEFORE_S, AFTER_S = 1, 0.5
"""How long a load runs before something is measured under it, and how long what it queued may take after it."""


class Requests:
    """The requests in a file, sent in a circle: each load goes on where the last one stopped."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._skip = 0

    def rate(
        self, server: Server, connections: int, seconds: int, *, core: int | None = None, at_most: int = 0
    ) -> float:
        """Answers a second that the server gives so many connections; the generator on `core`.

        `at_most` so many answers are waited for, since each request is good for one. Such a load begins no more
        than `at_most + connections` requests.
        """
        if core is None:
            return self._result(self._start(server, connections, seconds, at_most), connections)
        with machine.pinned(core):
            wrk = self._start(server, connections, seconds, at_most)
        return self._result(wrk, connections)

    @contextmanager
    def loading(self, server: Server, connections: int, seconds: int) -> Iterator[None]:
        """The server is busy for so many seconds within the block, which must take no longer."""
        wrk = self._start(server, connections, BEFORE_S + seconds)
        try:
            time.sleep(BEFORE_S)
            yield
        finally:
            self._result(wrk, connections)
            time.sleep(AFTER_S)

    def paced(self, server: Server, rate: int, seconds: int) -> list[float]:
        """The seconds that each answer took from the moment its request was due."""
        requests = self._path.read_bytes().split(b"\0")
        took = [0.0] * (rate * seconds)
        began = time.perf_counter() + 0.1

        def send(first: int) -> None:
            with socket.create_connection((HOST, server.port), TIMEOUT_S) as connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for number in range(first, len(took), PACED_CONNECTIONS):
                    due = began + number / rate
                    time.sleep(max(0.0, due - time.perf_counter()))
                    _exchange(connection, requests[number % len(requests)])
                    took[number] = time.perf_counter() - due

        in_threads([partial(send, first) for first in range(PACED_CONNECTIONS)])
        return took

    def _start(self, server: Server, connections: int, seconds: int, at_most: int = 0) -> "subprocess.Popen[str]":
        options = [f"--connections={connections}", "--threads=1", f"--duration={seconds}s", f"--timeout={TIMEOUT_S}s"]
        command = [
            *("wrk", *options, f"--script={SCRIPT}", f"http://{HOST}:{server.port}/"),
            *("--", str(self._path), str(self._skip), str(at_most)),
        ]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def _result(self, wrk: "subprocess.Popen[str]", connections: int) -> float:
        output, _ = wrk.communicate()
        if wrk.returncode != 0:
            raise RuntimeError(f"wrk failed: {output}")
        answered, micros, failed = (int(word) for word in output.splitlines()[-1].split())
        if failed:
            raise RuntimeError(f"{failed} of {answered} requests of {self._path} failed")
        self._skip += answered + connections
        return answered / micros * 1e6


def in_threads(works: list[Callable[[], None]]) -> None:
    """All at once; the first exception of any comes out."""
    with ThreadPoolExecutor(len(works)) as threads:
        for future in [threads.submit(work) for work in works]:
            future.result()


def read_answer(connection: socket.socket) -> bytes:
    """The next answer, whole. Raises ConnectionError when the server closes the connection first."""
    answer = b""
    while not (head := answer.partition(b"\r\n\r\n"))[1] or len(head[2]) < _length(head[0]):
        if not (more := connection.recv(65_536)):
            raise ConnectionError("the server closed a connection")
        answer += more
    return answer


def _exchange(connection: socket.socket, request: bytes) -> None:
    connection.sendall(request)
    answer = read_answer(connection)
    if not answer.startswith(b"HTTP/1.1 200 "):
        raise RuntimeError(f"refused: {answer.decode('ascii', 'replace')}")


def _length(head: bytes) -> int:
    return int(head.lower().partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0] or b"0")


def require_wrk() -> None:
    """Install it where we may. Raises SystemExit with one line that says how to get it."""
    if shutil.which("wrk") is None and os.geteuid() == 0 and (apt_get := shutil.which("apt-get")):
        subprocess.run([apt_get, "install", "--yes", "-qq", "wrk"], check=False)
    if shutil.which("wrk") is None:
        raise SystemExit(
            "bench: wrk is missing: apt-get install wrk (Debian, Ubuntu), dnf install wrk, brew install wrk"
        )
