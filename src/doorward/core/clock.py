"""Time, passed in so that tests can set it."""

import time
from datetime import UTC, datetime
from typing import Protocol

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


class Clock(Protocol):
    """Tells the time in whole milliseconds since 1970-01-01 UTC."""

    def now_ms(self) -> int: ...


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000


def seconds_until(then_ms: int, now_ms: int) -> int:
    """Whole seconds from `now_ms` to `then_ms`, rounded up; 0 when it is over (RFC 9110 section 10.2.3)."""
    return max(0, -((now_ms - then_ms) // SECOND))


def iso(at_ms: int) -> str:
    """RFC 3339 date-time in UTC with milliseconds, as the API gives it."""
    return datetime.fromtimestamp(at_ms / SECOND, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
