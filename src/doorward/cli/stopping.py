"""Granian, with an end that a load balancer can follow.

SIGTERM makes readiness 503 (`start.stopping`). Requests are still taken until the delay is over, so that whoever
asks for readiness has the time to send them elsewhere; then those in flight are finished, and the processes end. A
second SIGTERM, or SIGINT, cuts the delay short.

A process that serves ends by itself `in_flight_s` and CLOSE_S seconds after the delay at the latest: what is in flight
for longer is left undone, but a mail on its way beside it is not.
"""

import os
import signal
import threading
import time
from collections.abc import Callable
from ctypes import c_bool
from functools import partial
from typing import Any

from granian import _signals
from granian.server.common import AbstractServer
from granian.server.mp import MPServer
from granian.server.mt import MTServer

from doorward.cli.signals import TO_STOP, call_when_told, hear, next_told

CLOSE_S = 15
"""For a mail on its way, events and traces to come to their end."""
KILLED_AFTER_S = 1
"""By whoever watches over it, when a process could have ended for so long and has not."""


class _Stopping(AbstractServer[Any]):
    """Serves until it is told to stop, and then for `delay_s` seconds more, once it `is_serving`."""

    def __init__(
        self, target: str, *, stopping: c_bool, is_serving: Callable[[], bool], delay_s: int, **options: Any
    ) -> None:
        super().__init__(target, **options)
        self._stopping = stopping
        self._is_serving = is_serving
        self._delay_s = delay_s

    def startup(self, spawn_target: Any, target_loader: Any) -> None:
        self.listen_to_signals()
        super().startup(spawn_target, target_loader)  # type: ignore[no-untyped-call]  # Granian has no types

    def listen_to_signals(self) -> None:
        """Stop when told to, from now on; for the main thread."""
        threading.Thread(target=self._stop_when_told, args=(hear(),), daemon=True).start()

    def signal_handler_interrupt(self, number: int, *_: Any) -> None:
        """SIGTERM and SIGINT, which are handled where they are heard of."""

    def _stop_when_told(self, told: int) -> None:
        number = next_told(told)
        self._stopping.value = True
        # A server process that got the signal too, and ends at once, is not replaced.
        self.respawn_failed_workers = False
        if number == signal.SIGTERM and self._is_serving():
            next_told(told, self._delay_s)
        super().signal_handler_interrupt()  # type: ignore[no-untyped-call]  # Granian has no types


def leave_when_told(in_flight_s: int, close: Callable[[], object]) -> None:
    """In a server process, whose main thread calls this before it loads anything: end in time once it is told to."""
    for number in TO_STOP:
        # It is not to take for its own what the one that watches over it would do. There is nothing to finish yet.
        signal.signal(number, signal.SIG_DFL)

    def listen(stop: Callable[[int, None], object], _reload: object = None) -> None:
        call_when_told(partial(_leave_in_time, stop, in_flight_s, close))

    # Granian's own has each signal call `stop`, which may wait for ever at the second.
    _signals.set_main_signals = listen


def _leave_in_time(stop: Callable[[int, None], object], in_flight_s: int, close: Callable[[], object]) -> None:
    stop(signal.SIGTERM, None)
    time.sleep(in_flight_s)
    leave(close)


def leave(close: Callable[[], object], exit_code: int = 0) -> None:
    """End with requests in flight; what runs beside them, such as a mail on its way, still comes to its end."""
    closing = threading.Thread(target=close, daemon=True)
    try:
        closing.start()
        closing.join(CLOSE_S)
    finally:
        os._exit(exit_code)


class ManyProcesses(_Stopping, MPServer):
    """Server processes, and this one, which watches over them: one that dies is replaced.

    Each is to `leave_when_told`.
    """

    def __init__(self, target: str, *, in_flight_s: int, **options: Any) -> None:
        super().__init__(target, workers_kill_timeout=in_flight_s + CLOSE_S + KILLED_AFTER_S, **options)


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
        too_long = threading.Timer(self._in_flight_s, leave, (self._close, exit_code))
        too_long.daemon = True
        too_long.start()
        super().shutdown(exit_code)  # type: ignore[no-untyped-call]  # Granian has no types
