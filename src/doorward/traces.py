"""Traces by OpenTelemetry. Only `doorward.app` loads this, and only where `traces_url` is set (docs/tracing.md).

A span holds names of ours and numbers: never what was sent or stored, no address, no words of an exception.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, StatusCode, Tracer

from doorward import __version__
from doorward.core.clock import Clock
from doorward.core.db import Database, Tx
from doorward.core.errors import Refused
from doorward.core.limits import Limits
from doorward.core.logs import logger
from doorward.hashing.pool import Hasher
from doorward.hashing.schemes import Argon2Cost

T = TypeVar("T")

EXPORT_S = 2
"""For one batch, retries included."""


class Tracing:
    """Makes spans and sends them to `url` from a thread of its own.

    At most 2,048 wait (`OTEL_BSP_MAX_QUEUE_SIZE`); while the collector is away, further ones are dropped.
    """

    def __init__(self, url: str) -> None:
        # One line of ours tells what goes wrong; the library would print each failure with its traceback.
        library = logging.getLogger("opentelemetry")
        library.addHandler(logging.NullHandler())
        library.propagate = False
        ours = Resource.create({"service.name": "doorward", "service.version": __version__})
        # What the standard variables name comes last, so that it wins.
        self._provider = TracerProvider(resource=ours.merge(OTELResourceDetector().detect()), shutdown_on_exit=False)
        self._exporter = _Told(OTLPSpanExporter(endpoint=url, timeout=EXPORT_S))
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        self.tracer = self._provider.get_tracer("doorward", __version__)

    def database(self, url: str, clock: Clock, limits: Limits) -> Database:
        """A database whose transactions are spans of the request that makes them."""
        return _TracedDatabase(self.tracer, url, clock, limits)

    def hasher(self, cost: Argon2Cost, threads: int, longest_wait_s: float) -> Hasher:
        """A hasher whose calls are, the wait for a thread included."""
        return _TracedHasher(self.tracer, cost, threads, longest_wait_s)

    def flush(self) -> None:
        """Send what waits, and come back when it is sent or dropped."""
        self._provider.force_flush()

    def close(self) -> None:
        """Send what waits, once: a collector that is away keeps nobody from stopping."""
        self._exporter.is_closing = True
        self._provider.shutdown()


class _TracedDatabase(Database):
    def __init__(self, tracer: Tracer, url: str, clock: Clock, limits: Limits) -> None:
        super().__init__(url, clock, limits)
        self._tracer = tracer
        self._attributes = {"db.system.name": self.engine.dialect.name}

    @contextmanager
    def read(self) -> Iterator[Tx]:
        with _child(self._tracer, "read", self._attributes), super().read() as tx:
            yield tx

    @contextmanager
    def write(self) -> Iterator[Tx]:
        with _child(self._tracer, "write", self._attributes), super().write() as tx:
            yield tx


class _TracedHasher(Hasher):
    def __init__(self, tracer: Tracer, cost: Argon2Cost, threads: int, longest_wait_s: float) -> None:
        super().__init__(cost, threads, longest_wait_s)
        self._tracer = tracer

    def _run(self, work: Callable[[], T]) -> T:
        with _child(self._tracer, "hash", {}, SpanKind.INTERNAL):
            return super()._run(work)


@contextmanager
def _child(tracer: Tracer, name: str, attributes: dict[str, str], kind: SpanKind = SpanKind.CLIENT) -> Iterator[None]:
    """A span within the request's; none where there is no request, such as in the worker, or it is not sampled."""
    if not trace.get_current_span().is_recording():
        yield
        return
    with tracer.start_as_current_span(
        name, kind=kind, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            yield
        except Refused:
            raise
        except Exception as error:
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(StatusCode.ERROR)
            raise


class _Told(SpanExporter):
    """Tells once that spans don't arrive, and once that they do again."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._arrives = True
        self.is_closing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        if self.is_closing and not self._arrives:
            return SpanExportResult.FAILURE
        result = self._exporter.export(spans)
        arrives = result is SpanExportResult.SUCCESS
        if arrives and not self._arrives:
            logger.info("traces: the collector takes them again")
        elif self._arrives and not arrives:
            logger.warning("traces: the collector does not take them, they are dropped")
        self._arrives = arrives
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()
