"""A mixed load at a steady pace: what an application asks of the service all day."""

import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.load import TIMEOUT_S, read_answer
from bench.seed import LOGIN, LOGINS, USERS, WARM, email
from bench.servers import HOST, Server

SENDERS = 16
LONGEST_CIRCLE = 40_000
"""Requests that a load as fast as it goes sends before it begins anew: more than it will."""

EXCHANGE, VALIDATE, LOG_IN, WRONG, RESET = "exchange", "validate", "login", "wrong login", "reset"
SHARES = {EXCHANGE: 70, VALIDATE: 24, LOG_IN: 4, WRONG: 1, RESET: 1}
"""Of a hundred requests."""

EXPECTED = {EXCHANGE: b"200", VALIDATE: b"200", LOG_IN: b"200", WRONG: b"401", RESET: b"204"}
RESETS = (
    "POST /user/password/reset/send HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    "Content-Length: {length}\r\n\r\n{body}"
)


def order(shares: Mapping[str, int]) -> list[str]:
    """The kinds, each as often as its share, spread as evenly as can be."""
    places = [((number + 0.5) / share, kind) for kind, share in shares.items() for number in range(share)]
    return [kind for _, kind in sorted(places)]


def requests(folder: Path) -> dict[str, list[bytes]]:
    """The requests of each kind, from what `bench.seed` wrote."""
    exchanges = (folder / WARM).read_bytes()
    wrong = [json.dumps({"username": email(number), "password": "Wrong-Horse-1"}) for number in range(USERS)]
    resets = [json.dumps({"email": email(number)}) for number in range(USERS)]
    return {
        EXCHANGE: exchanges.split(b"\0"),
        VALIDATE: exchanges.replace(b"/auth/accesstoken", b"/auth/refreshtoken/validate").split(b"\0"),
        LOG_IN: (folder / LOGINS).read_bytes().split(b"\0"),
        WRONG: [
            LOGIN.format(address=f"10.9.{number >> 8}.{number & 255}", length=len(body), body=body).encode()
            for number, body in enumerate(wrong)
        ],
        RESET: [RESETS.format(length=len(body), body=body).encode() for body in resets],
    }


def write_capacity(folder: Path) -> Path:
    """The mix as a file for a load as fast as it goes.

    All of it is to succeed: for a wrong password, which costs as much, there is a right one; and resets are asked for
    from the other end, since an address gets a mail a minute.
    """
    kinds, path = requests(folder), folder / "mix"
    kinds[WRONG] = kinds[LOG_IN][::-1]
    kinds[RESET].reverse()
    circle = order(SHARES)
    sent: Counter[str] = Counter()
    mixed: list[bytes] = []
    for number in range(LONGEST_CIRCLE):
        kind = circle[number % len(circle)]
        mixed.append(kinds[kind][sent[kind] % len(kinds[kind])])
        sent[kind] += 1
    path.write_bytes(b"\0".join(mixed))
    return path


class Mix:
    """Sends `rate` requests a second while the block runs."""

    def __init__(self, folder: Path, server: Server, rate: float) -> None:
        self._requests = requests(folder)
        self._circle = order(SHARES)
        self._server = server
        self._rate = rate
        self._stop = threading.Event()
        self._took: list[float] = []
        self.answers: Counter[str] = Counter()
        """By kind; unexpected ones by kind and status."""

    def __enter__(self) -> Self:
        self._began = time.perf_counter() + 0.1
        self._pool = ThreadPoolExecutor(SENDERS)
        self._senders: list[Future[None]] = [self._pool.submit(self._send, first) for first in range(SENDERS)]
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._pool.shutdown()

    def taken(self) -> list[float]:
        """The seconds that the exchanges since the last call took, from the moment each was due."""
        self.require_running()
        taken, self._took = self._took, []
        return taken

    def require_running(self) -> None:
        """Raises what has ended a sender."""
        for sender in self._senders:
            if sender.done():
                sender.result()

    def _send(self, first: int) -> None:
        with socket.create_connection((HOST, self._server.port), TIMEOUT_S) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            number = first
            while not self._stop.is_set():
                due = self._began + number / self._rate
                time.sleep(max(0.0, due - time.perf_counter()))
                self._exchange(connection, number, due)
                number += SENDERS

    def _exchange(self, connection: socket.socket, number: int, due: float) -> None:
        rounds, place = divmod(number, len(self._circle))
        kind = self._circle[place]
        mine = rounds * SHARES[kind] + self._circle[:place].count(kind)
        connection.sendall(self._requests[kind][mine % len(self._requests[kind])])
        status = read_answer(connection).split(b" ", 2)[1]
        if kind == EXCHANGE:
            self._took.append(time.perf_counter() - due)
        self.answers[kind if status == EXPECTED[kind] else f"{kind}: {status.decode()}"] += 1


def faults(answers: Mapping[str, int]) -> dict[str, int]:
    """The answers that were not as expected."""
    return {name: count for name, count in answers.items() if name not in SHARES}
