"""Where events go that are streamed out: a file of JSON lines, a webhook, a syslog server.

Each takes a batch of events in their order, whole or not at all as far as it can tell.
"""

import hashlib
import hmac
import http.client
import os
import socket
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import msgspec

from doorward.core.clock import SECOND, Clock
from doorward.events.shown import SealedEvent
from doorward.settings import Settings

STANDARD_OUTPUT = "-"
STEP_TIMEOUT_S = 10.0
DEADLINE_S = 20.0
SUCCESS = range(200, 300)
SYSLOG_PORT = 514
# RFC 5424 section 6.2.1: facility 13, "log audit"; severity 4 is a warning, 6 informational.
FACILITY, WARNING, INFORMATIONAL = 13, 4, 6

_encode = msgspec.json.Encoder().encode


class Undelivered(Exception):
    """The receiver did not take the events; the message says why, in words of ours."""


class Receiver(Protocol):
    """Takes events. `name` is that of its cursor."""

    name: str

    def send(self, events: Sequence[SealedEvent]) -> None:
        """Raises Undelivered, OSError, http.client.HTTPException."""


class Lines:
    """Appends to a file, or writes to standard output: one JSON object a line."""

    name = "lines"

    def __init__(self, path: str) -> None:
        self._path = path

    def send(self, events: Sequence[SealedEvent]) -> None:
        lines = b"".join(_encode(event) + b"\n" for event in events)
        if self._path == STANDARD_OUTPUT:
            _write(sys.stdout.fileno(), lines)
            return
        # Opened each time: a tool that rotates files may have moved it.
        descriptor = os.open(Path(self._path), os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                # Whoever wrote last did not come to the end of a line.
                lines = b"\n" + lines
            _write(descriptor, lines)
            with suppress(OSError):  # a pipe has no disk
                os.fsync(descriptor)
        finally:
            os.close(descriptor)


class Webhook:
    """Posts `{"events": [...]}`, signed. A redirect is not followed, and of an answer only the status is read."""

    name = "webhook"

    def __init__(self, url: str, secret: str, clock: Clock) -> None:
        self._url = urlsplit(url)
        self._secret = secret.encode()
        self._clock = clock

    def send(self, events: Sequence[SealedEvent]) -> None:
        body = _encode({"events": events})
        at = self._clock.now_ms() // SECOND
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "doorward",
            "Doorward-Signature": f"t={at},v1={signature(self._secret, at, body)}",
        }
        target = (self._url.path or "/") + (f"?{self._url.query}" if self._url.query else "")
        status = self._post(target, body, headers)
        if status not in SUCCESS:
            raise Undelivered(f"status {status}")

    def _post(self, target: str, body: bytes, headers: dict[str, str]) -> int:
        kind = http.client.HTTPSConnection if self._url.scheme == "https" else http.client.HTTPConnection
        connection = kind(self._url.hostname or "", self._url.port, timeout=STEP_TIMEOUT_S)
        # Each step has its time-out; this ends one that goes on in small steps.
        deadline = threading.Timer(DEADLINE_S, _hang_up, [connection])
        deadline.daemon = True
        deadline.start()
        try:
            connection.request("POST", target, body, headers)
            return connection.getresponse().status
        finally:
            deadline.cancel()
            connection.close()


class Syslog:
    """RFC 5424 messages: one a datagram over UDP or a Unix socket, with the length before each over TCP (RFC 6587)."""

    name = "syslog"

    def __init__(self, url: str, hostname: str) -> None:
        self._url = urlsplit(url)
        self._hostname = hostname

    def send(self, events: Sequence[SealedEvent]) -> None:
        messages = [self._message(event) for event in events]
        with self._connected() as connection:
            if self._url.scheme == "tcp":
                connection.sendall(b"".join(b"%d %s" % (len(message), message) for message in messages))
                return
            for message in messages:
                connection.send(message)

    def _message(self, event: SealedEvent) -> bytes:
        is_warning = event.type.endswith((".refused", ".reuse_detected"))
        priority = FACILITY * 8 + (WARNING if is_warning else INFORMATIONAL)
        head = f"<{priority}>1 {event.at} {self._hostname} doorward - {event.type} - "
        return head.encode() + _encode(event)

    def _connected(self) -> socket.socket:
        if self._url.scheme == "tcp":
            address = (self._url.hostname or "", self._url.port or SYSLOG_PORT)
            return socket.create_connection(address, STEP_TIMEOUT_S)
        if self._url.scheme == "unix":
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            target: Any = self._url.path
        else:
            family, _, _, _, target = socket.getaddrinfo(
                self._url.hostname, self._url.port or SYSLOG_PORT, type=socket.SOCK_DGRAM
            )[0]
            connection = socket.socket(family, socket.SOCK_DGRAM)
        connection.settimeout(STEP_TIMEOUT_S)
        try:
            connection.connect(target)
        except OSError:
            connection.close()
            raise
        return connection


def receivers_of(settings: Settings, clock: Clock) -> list[Receiver]:
    """Those that the settings name."""
    found: list[Receiver] = []
    if settings.event_lines:
        found.append(Lines(settings.event_lines))
    if settings.event_webhook_url:
        found.append(Webhook(settings.event_webhook_url, settings.event_webhook_secret, clock))
    if settings.event_syslog_url:
        found.append(Syslog(settings.event_syslog_url, urlsplit(settings.public_url).hostname or "-"))
    return found


def signature(secret: bytes, at_s: int, body: bytes) -> str:
    """HMAC-SHA-256 over the time and the body, in hexadecimal digits: an old body can't be given a new time."""
    return hmac.digest(secret, b"%d." % at_s + body, hashlib.sha256).hex()


def _hang_up(connection: http.client.HTTPConnection) -> None:
    with suppress(OSError):
        if connection.sock is not None:
            connection.sock.shutdown(socket.SHUT_RDWR)


def _write(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]
