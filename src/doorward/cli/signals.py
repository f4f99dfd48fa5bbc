"""The signals that tell a process to stop, heard of by a thread of ours.

The kernel may give a signal to any thread, such as one that is just being started, and Python's handlers run in the
main thread, which sleeps on, or waits within a library. So a thread hears of each signal by a pipe
(`signal.set_wakeup_fd`); whoever begins to hear takes that from who heard before.
"""

import os
import select
import signal
import threading
import time
from collections.abc import Callable, Sequence

TO_STOP = (signal.SIGTERM, signal.SIGINT)
ENDED_BY_SIGTERM = 128 + signal.SIGTERM
"""What a shell calls the end by that signal."""


def hear() -> int:
    """Hear of the signals that this process handles: gives what to read their numbers from, a byte each."""
    told, telling = os.pipe()
    os.set_blocking(telling, False)
    signal.set_wakeup_fd(telling, warn_on_full_buffer=False)
    return told


def next_told(told: int, seconds: float | None = None) -> int:
    """The next of TO_STOP; 0 when none came for so long."""
    deadline = None if seconds is None else time.monotonic() + seconds
    while select.select([told], [], [], None if deadline is None else max(0, deadline - time.monotonic()))[0]:
        if (number := os.read(told, 1)[0]) in TO_STOP:
            return number
    return 0


def call_when_told(stop: Callable[[], object]) -> None:
    """Call it at each of TO_STOP, from now on; for the main thread."""
    _call_at(TO_STOP, stop)


def end_at_once_as_pid_1() -> None:
    """Let SIGTERM end this process at once, until it hears of signals otherwise; for the main thread.

    The kernel does so by itself, but not with the first process of a container (pid_namespaces(7)).
    """
    if os.getpid() == 1:
        _call_at([signal.SIGTERM], lambda: os._exit(ENDED_BY_SIGTERM))


def _call_at(numbers: Sequence[int], act: Callable[[], object]) -> None:
    # A signal that comes between these two is heard of, and one that came before had its effect.
    told = hear()
    for number in numbers:
        signal.signal(number, _heard_elsewhere)

    def listen() -> None:
        while True:
            if next_told(told) in numbers:
                act()

    threading.Thread(target=listen, daemon=True).start()


def _heard_elsewhere(_number: int, _frame: object) -> None:
    """What Python calls in the main thread, some time: a signal without a handler is not told by the pipe."""
