"""A span around every request, by OpenTelemetry's conventions for HTTP servers, where traces are on (docs/tracing.md).

https://opentelemetry.io/docs/specs/semconv/http/http-spans/. Left out on purpose: `url.path` and `url.query`, in which
somebody may have put a secret, and whatever names the client.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from doorward.core.logs import logger
from doorward.http.faults import OPERATION, REFUSAL
from doorward.http.observe import METHODS, Observed

# W3C Trace Context: what is malformed in any way is as if it were not there, and a new trace begins.
_CONTEXT = TraceContextTextMapPropagator()
_HEADERS = {"traceparent": "HTTP_TRACEPARENT", "tracestate": "HTTP_TRACESTATE"}


@dataclass(eq=False)
class Traced(Observed):
    """As Observed, with a span a request. `scheme` is that of the public URL."""

    tracer: Tracer
    scheme: str

    def __post_init__(self) -> None:
        super().__post_init__()
        self._log = _log

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"] if environ["REQUEST_METHOD"] in METHODS else "_OTHER"
        carrier = {name: environ[key] for name, key in _HEADERS.items() if key in environ}
        with self.tracer.start_as_current_span(
            "HTTP" if method == "_OTHER" else method,
            context=_CONTEXT.extract(carrier),
            kind=SpanKind.SERVER,
            attributes={"http.request.method": method, "url.scheme": self.scheme},
            record_exception=False,
            set_status_on_exception=False,
        ):
            return super().__call__(environ, start_response)

    def _note(self, environ: dict[str, Any], request_id: str, status: int, took_s: float) -> None:
        span = trace.get_current_span()
        span.set_attribute("http.response.status_code", status)
        method, _, route = environ.get(OPERATION, "").partition(" ")
        if route.startswith("/"):
            span.set_attribute("http.route", route)
            span.update_name(f"{method} {route}")
        if (refusal := environ.get(REFUSAL)) is not None:
            span.set_attribute("doorward.refusal", refusal)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            span.set_attribute("error.type", str(status))
            span.set_status(StatusCode.ERROR)
        super()._note(environ, request_id, status, took_s)


def _log(fields: dict[str, Any]) -> None:
    """The request's line, with the id by which its trace is found."""
    context = trace.get_current_span().get_span_context()
    logger.request(fields | {"trace_id": trace.format_trace_id(context.trace_id)})
