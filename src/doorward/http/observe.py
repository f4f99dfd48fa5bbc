"""Around every request: its id, CORS, and one log line and one count of how it was answered.

The log names the operation, never the raw path or query, in which somebody may have put a secret.
"""

import itertools
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from prometheus_client import Histogram

from doorward.core import metrics
from doorward.core.errors import REASONS
from doorward.core.logs import logger
from doorward.core.tallies import Errors
from doorward.http.answers import Response
from doorward.http.clients import ClientAddresses
from doorward.http.cors import Cors
from doorward.http.faults import OPERATION, REFUSAL, REQUEST_ID

UNKNOWN = "(unknown)"
HEALTH = "GET /health/"
"""Its 503 is for the balancer, and no error: a server that stops says it again and again."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
STATUS_LINES = {each.value: f"{each.value} {each.phrase}" for each in HTTPStatus} | {
    status: f"{status} {reason}" for status, reason in REASONS.items()
}

Answering = Callable[[dict[str, Any]], Response]


@dataclass(eq=False)
class Observed:
    """A WSGI app around what answers."""

    answer: Answering
    addresses: ClientAddresses
    cors: Cors
    is_stopping: Callable[[], bool]
    errors: Errors

    def __post_init__(self) -> None:
        # Ids need only differ: the process has a random part, and its requests are counted.
        self._process = os.urandom(6).hex()
        self._numbers = itertools.count(1)
        self._log: Callable[[dict[str, Any]], None] = logger.request
        self._timers: dict[tuple[str, int], Histogram] = {}

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        began = time.perf_counter()
        request_id = environ[REQUEST_ID] = f"{self._process}{next(self._numbers):08x}"
        if environ["REQUEST_METHOD"] not in METHODS:
            # To Falcon, a method that it does not know is a bad request; to us, one that no path takes.
            environ["REQUEST_METHOD"] = "TRACE"
        response = self.cors.preflight(environ) or self.answer(environ)
        headers = response.headers
        headers.append(("X-Request-Id", request_id))
        self.cors.add_headers(environ, headers)
        if self.is_stopping():
            # The next request of this connection is to come to another server.
            headers.append(("Connection", "close"))
        start_response(STATUS_LINES[response.status], headers)
        self._note(environ, request_id, response.status, time.perf_counter() - began)
        # To HEAD, the answer is its headers (RFC 9110 section 9.3.2).
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [response.body]

    def _note(self, environ: dict[str, Any], request_id: str, status: int, took_s: float) -> None:
        operation = environ.get(OPERATION, UNKNOWN)
        (self._timers.get((operation, status)) or self._timer(operation, status)).observe(took_s)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR and not operation.startswith(HEALTH):
            self.errors.note()
        fields = {
            "request_id": request_id,
            "operation": operation,
            "status": status,
            "ms": round(took_s * 1000, 2),
            "client": self.addresses.of(environ),
        }
        if (refusal := environ.get(REFUSAL)) is not None:
            fields["refusal"] = refusal
            metrics.refusals.labels(operation, refusal).inc()
        self._log(fields)

    def _timer(self, operation: str, status: int) -> Histogram:
        timer = self._timers[operation, status] = metrics.seconds.labels(operation, str(status))
        return timer


Observing = Callable[[Answering, ClientAddresses, Cors, Callable[[], bool], Errors], Observed]
"""Makes what stands around: `Observed`, or with traces another."""
