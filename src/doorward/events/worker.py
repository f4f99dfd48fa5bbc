"""Works in the background on events that are committed: one loop chains them, one for each receiver sends them."""

from collections.abc import Callable

from doorward.core.logs import logger
from doorward.core.periodic import Periodic
from doorward.events.chain import ChainBroken

POLL_S = 1.0
REST_AFTER_A_BREAK_S = 60.0


class EventWorker(Periodic):
    """Repeats `run_once`, which tells whether there was something to do. Any number may run."""

    def __init__(self, name: str, run_once: Callable[[], bool]) -> None:
        super().__init__(name, POLL_S)
        self.run_once = run_once

    def work(self) -> float | None:
        """Where there was something to do, there may be more: then there is no rest."""
        try:
            return 0.0 if self.run_once() else None
        except ChainBroken as broken:
            logger.error("events: chain broken", broken, reason=broken.reason, seq=broken.seq)
            return REST_AFTER_A_BREAK_S
