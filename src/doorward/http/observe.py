"""Around every request: its id, CORS, and one log line and one count of how it was answered.

The log names the operation, never the raw path or query, in which somebody may have put a secret.
"""

import itertools
import os
import time
from collections.abc import Callable, Iterable
from typing import Any

from doorward.core import metrics
from doorward.core.logs import FIELDS, logger
from doorward.http.clients import ClientAddresses
from doorward.http.cors import Cors

StartResponse = Callable[..., Any]
WsgiApp = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]

REQUEST_ID = "doorward.request_id"
OPERATION = "doorward.operation"
REFUSAL = "doorward.refusal"
UNKNOWN = "(unknown)"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})


class Observed:
    """A WSGI app around the app."""

    def __init__(self, app: WsgiApp, addresses: ClientAddresses, cors: Cors) -> None:
        self._app = app
        self._addresses = addresses
        self._cors = cors
        # Ids need only differ: the process has a random part, and its requests are counted.
        self._process = os.urandom(6).hex()
        self._numbers = itertools.count(1)
        self._meters: dict[tuple[str, str], tuple[Any, Any]] = {}

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        began = time.perf_counter()
        request_id = environ[REQUEST_ID] = f"{self._process}{next(self._numbers):08x}"
        status = "500"

        def start(line: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            nonlocal status
            status = line[:3]
            headers.append(("X-Request-Id", request_id))
            headers.append(("X-Content-Type-Options", "nosniff"))
            if not any(name.lower() == "cache-control" for name, _ in headers):
                headers.append(("Cache-Control", "no-store"))
            self._cors.add_headers(environ, headers)
            return start_response(line, headers, exc_info) if exc_info else start_response(line, headers)

        if environ["REQUEST_METHOD"] not in METHODS:
            # To Falcon, a method that it does not know is a bad request; to us, one that no path takes.
            environ["REQUEST_METHOD"] = "TRACE"
        answer = self._cors.preflight(environ, start) or self._app(environ, start)
        self._note(environ, request_id, status, time.perf_counter() - began)
        return answer

    def _note(self, environ: dict[str, Any], request_id: str, status: str, took_s: float) -> None:
        operation = environ.get(OPERATION, UNKNOWN)
        refusal = environ.get(REFUSAL)
        counter, timer = self._meters.get((operation, status)) or self._meter(operation, status)
        counter.inc()
        timer.observe(took_s)
        fields = {
            "request_id": request_id,
            "operation": operation,
            "status": int(status),
            "ms": round(took_s * 1000, 2),
            "client": self._addresses.of(environ),
        }
        if refusal is not None:
            fields["refusal"] = refusal
            metrics.refusals.labels(operation, refusal).inc()
        logger.info("request", extra={FIELDS: fields})

    def _meter(self, operation: str, status: str) -> tuple[Any, Any]:
        meter = metrics.requests.labels(operation, status), metrics.seconds.labels(operation)
        self._meters[operation, status] = meter
        return meter
