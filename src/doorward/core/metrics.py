"""Counters, durations and what is so at this moment, for `/metrics`, in the Prometheus text format."""

import os
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

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
events = Counter(
    "doorward_events_total",
    "Events that were streamed out, by receiver and outcome.",
    ["receiver", "outcome"],
    registry=registry,
)

hashes_waiting = Gauge(
    "doorward_hashes_waiting",
    "Passwords that wait for a thread to hash them.",
    multiprocess_mode="livesum",
    registry=registry,
)
hash_wait = Gauge(
    "doorward_hash_wait_seconds",
    "How long the next password would wait, in the process with the longest queue; over `hash_wait` it is refused.",
    multiprocess_mode="livemax",
    registry=registry,
)
connections = Gauge(
    "doorward_database_connections",
    "Connections to the database in use, for transactions and for reads of the hot path.",
    ["kind"],
    multiprocess_mode="livesum",
    registry=registry,
)
connections_limit = Gauge(
    "doorward_database_connections_limit",
    "How many may be in use at once.",
    ["kind"],
    multiprocess_mode="livesum",
    registry=registry,
)
database_up = Gauge(
    "doorward_database_up",
    "1 when the database answered the last question within two seconds, else 0.",
    multiprocess_mode="livemin",
    registry=registry,
)
outbox_oldest = Gauge(
    "doorward_outbox_oldest_seconds",
    "Age of the oldest mail that waits to be sent, of the thousand that are due first; 0 when none waits.",
    multiprocess_mode="livemax",
    registry=registry,
)


def are_shared() -> bool:
    """Whether the processes of this server add up their figures."""
    return SHARED_FOLDER in os.environ


def page() -> bytes:
    """All figures of this server."""
    if not are_shared():
        return generate_latest(registry)
    _forget_the_dead(Path(os.environ[SHARED_FOLDER]))
    shared = CollectorRegistry()
    MultiProcessCollector(shared)  # type: ignore[no-untyped-call]
    return generate_latest(shared)


def _forget_the_dead(folder: Path) -> None:
    """What was so in a process that has ended is so no more; what it counted stays."""
    for pid in {path.stem.rpartition("_")[2] for path in folder.glob("gauge_live*.db")}:
        if not Path("/proc", pid).exists():
            mark_process_dead(int(pid), str(folder))  # type: ignore[no-untyped-call]
