"""Bodies as they come in: whoever sends one slowly, or never, must not hold the threads that answer everybody.

A thread that waits for a body can't be called back. So only some may wait at once; whoever comes beyond them is told to
come later, and every call without a body is answered as ever.
"""

import threading
from typing import Protocol

from doorward.core.errors import BadInput, Refused

RETRY_AFTER_S = 2
CUT_OFF = "Body is cut off"


class Stream(Protocol):
    """What WSGI calls `wsgi.input`."""

    def read(self, size: int, /) -> bytes: ...


class Arrivals:
    """Reads bodies, `at_once` of them at a time."""

    def __init__(self, at_once: int) -> None:
        self._places = threading.BoundedSemaphore(at_once)

    def read(self, stream: Stream, size: int) -> bytes:
        """At most `size` bytes. Raises BadInput when the connection breaks, Refused("OVERLOADED")."""
        if not self._places.acquire(blocking=False):
            raise Refused("OVERLOADED", RETRY_AFTER_S)
        try:
            return stream.read(size)
        except OSError as error:
            raise BadInput(CUT_OFF) from error
        finally:
            self._places.release()
