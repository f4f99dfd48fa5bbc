"""Time that only moves when a test says so."""

import threading
from datetime import UTC, datetime

START_MS = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) * 1000


class FakeClock:
    """The application's clock in tests. It stands still until `advance`."""

    def __init__(self, start_ms: int = START_MS) -> None:
        self._now_ms = start_ms
        self._lock = threading.Lock()

    def now_ms(self) -> int:
        with self._lock:
            return self._now_ms

    def advance(self, seconds: float) -> None:
        """Move on by `seconds`; a negative number turns the clock back, as an operator might."""
        with self._lock:
            self._now_ms += round(seconds * 1000)
