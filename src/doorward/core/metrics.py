"""Counters and durations for `/metrics`, in the Prometheus text format."""

import os

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Set before this module is imported, it makes the processes of one server add up their figures."""

registry = CollectorRegistry()
refusals = Counter(
    "doorward_refusals_total", "Refusals by operation and code.", ["operation", "code"], registry=registry
)
seconds = Histogram(
    "doorward_request_seconds",
    "Time to answer by operation and status; its count is that of the requests.",
    ["operation", "status"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
    registry=registry,
)
mails = Counter("doorward_mails_total", "Mails by outcome.", ["outcome"], registry=registry)


def page() -> bytes:
    """All figures of this server."""
    if SHARED_FOLDER not in os.environ:
        return generate_latest(registry)
    shared = CollectorRegistry()
    MultiProcessCollector(shared)  # type: ignore[no-untyped-call]
    return generate_latest(shared)
