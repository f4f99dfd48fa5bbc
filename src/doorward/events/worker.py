"""Works in the background on events that are committed: one loop chains them, one for each receiver sends them."""

import threading
from collections.abc import Callable

from doorward.core.errors import DatabaseUnavailable
from doorward.core.logs import logger
from doorward.events.chain import ChainBroken

POLL_S = 1.0
REST_AFTER_A_BREAK_S = 60.0


class EventWorker:
    """Repeats `run_once`, which tells whether there was something to do, until it is stopped. Any number may run."""

    def __init__(self, run_once: Callable[[], bool]) -> None:
        self.run_once = run_once
        self._stop = threading.Event()

    def run(self) -> None:
        while not self._stop.is_set():
            self._stop.wait(self._rest())

    def stop(self) -> None:
        self._stop.set()

    def _rest(self) -> float:
        """Do what there is; gives the seconds to rest."""
        try:
            return 0.0 if self.run_once() else POLL_S
        except DatabaseUnavailable:
            logger.warning("events: database unavailable")
        except ChainBroken as broken:
            logger.error("events: chain broken", broken, reason=broken.reason, seq=broken.seq)
            return REST_AFTER_A_BREAK_S
        except Exception as error:  # noqa: BLE001 -- the next one may do better
            logger.error("events: crash", error)
        return POLL_S
