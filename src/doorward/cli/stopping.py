"""Granian, with an end that a load balancer can follow.

SIGTERM makes readiness 503 (`start.stopping`). Requests are still taken until the delay is over, so that whoever
asks for readiness has the time to send them elsewhere; then those in flight are finished, and the processes end. A
second SIGTERM, or SIGINT, cuts the delay short.
"""

import signal
import threading
from ctypes import c_bool
from typing import Any

from granian.server.mp import MPServer


class Server(MPServer):
    """Serves until it is told to stop, and then for `delay_s` seconds more."""

    def __init__(self, target: str, *, stopping: c_bool, delay_s: int, **options: Any) -> None:
        super().__init__(target, **options)
        self._stopping = stopping
        self._delay_s = delay_s

    def signal_handler_interrupt(self, number: int, *_: Any) -> None:
        """What Granian calls for SIGTERM and SIGINT."""
        was_stopping, self._stopping.value = self._stopping.value, True
        # A server process that got the signal too, and ends at once, is not replaced.
        self.respawn_failed_workers = False
        at_once = was_stopping or number != signal.SIGTERM
        delay = threading.Timer(0 if at_once else self._delay_s, super().signal_handler_interrupt)
        delay.daemon = True
        delay.start()
