"""Granian, with an end that a load balancer can follow.

SIGTERM makes readiness 503 (`start.stopping`). Requests are still taken until the delay is over, so that whoever
asks for readiness has the time to send them elsewhere; then those in flight are finished, and the processes end. A
second SIGTERM, or SIGINT, cuts the delay short.
"""

import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from ctypes import c_bool
from queue import Empty, SimpleQueue
from typing import Any

from granian.server.common import AbstractServer
from granian.server.mp import MPServer
from granian.server.mt import MTServer

CLOSE_S = 15


class _Stopping(AbstractServer[Any]):
    """Serves until it is told to stop, and then for `delay_s` seconds more."""

    def __init__(self, target: str, *, stopping: c_bool, delay_s: int, **options: Any) -> None:
        super().__init__(target, **options)
        self._stopping = stopping
        self._delay_s = delay_s
        self._told: SimpleQueue[int] = SimpleQueue()
        threading.Thread(target=self._stop_when_told, daemon=True).start()

    def signal_handler_interrupt(self, number: int, *_: Any) -> None:
        """What Granian calls for SIGTERM and SIGINT.

        It may come in the midst of anything, itself included, so that it takes no lock and starts no thread.
        """
        self._stopping.value = True
        # A server process that got the signal too, and ends at once, is not replaced.
        self.respawn_failed_workers = False
        self._told.put(number)

    def _stop_when_told(self) -> None:
        if self._told.get() == signal.SIGTERM:
            with suppress(Empty):
                self._told.get(timeout=self._delay_s)
        super().signal_handler_interrupt()  # type: ignore[no-untyped-call]  # Granian has no types


class ManyProcesses(_Stopping, MPServer):
    """Server processes, and this one, which watches over them: one that dies is replaced."""

    def __init__(self, target: str, *, in_flight_s: int, **options: Any) -> None:
        super().__init__(target, workers_kill_timeout=in_flight_s, **options)


class OneProcess(_Stopping, MTServer):
    """Serves in this process; nobody watches over it but whoever started it.

    Granian has this for a Python without a GIL. What it asks that for is several workers, and here is one, whose
    threads are the same as in a server process of its own.
    """

    def __init__(self, target: str, *, in_flight_s: int, close: Callable[[], object], **options: Any) -> None:
        super().__init__(target, **options)
        self._in_flight_s = in_flight_s
        self._close = close

    def signal_handler_reload(self, *_: Any) -> None:
        """SIGHUP: there is nothing to reload.

        Granian would start its worker anew, and wait for a request that never ends in the one before, deaf to SIGTERM.
        """

    def _check_gil(self) -> None:
        """Granian's own check refuses a Python with one."""

    def shutdown(self, exit_code: int = 0) -> None:
        """Finish what is in flight. What takes too long is left undone, with the process."""
        too_long = threading.Timer(self._in_flight_s, self._leave, (exit_code,))
        too_long.daemon = True
        too_long.start()
        super().shutdown(exit_code)  # type: ignore[no-untyped-call]  # Granian has no types

    def _leave(self, exit_code: int) -> None:
        """End with requests in flight; what runs beside them, such as a mail on its way, still comes to its end."""
        closing = threading.Thread(target=self._close, daemon=True)
        try:
            closing.start()
            closing.join(CLOSE_S)
        finally:
            os._exit(exit_code)
