"""What a test and the server that it is to kill share: a file in memory of both, with the time and the steps left.

A step is a statement of SQL, or a commit: before it, and after it.
"""

import mmap
import struct
from pathlib import Path

from tests.support.clock import START_MS, FakeClock

NEVER = 2**62
_NUMBER = struct.Struct("=q")
_NOW, _LEFT = 0, _NUMBER.size


class Control(FakeClock):
    """The service's clock, which stands still until it is turned, and after how many steps the fault comes."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        is_new = not path.exists()
        if is_new:
            path.write_bytes(bytes(2 * _NUMBER.size))
        with path.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), 2 * _NUMBER.size)
        if is_new:
            self._put(_NOW, START_MS)
            self._put(_LEFT, NEVER)

    def now_ms(self) -> int:
        return self._get(_NOW)

    def advance(self, seconds: float) -> None:
        """Turn the clock; a negative number turns it back."""
        self._put(_NOW, self.now_ms() + round(seconds * 1000))

    def arm(self, steps: int) -> None:
        """Let the fault come at the step of this number from now on."""
        self._put(_LEFT, steps)

    def disarm(self) -> None:
        self._put(_LEFT, NEVER)

    @property
    def is_armed(self) -> bool:
        """Whether the fault is still to come."""
        return 0 < self._get(_LEFT) < NEVER

    def step(self) -> bool:
        """Count a step; True when the fault is due at it."""
        left = self._get(_LEFT)
        if left in {0, NEVER}:
            return False
        self._put(_LEFT, left - 1)
        return left == 1

    def _get(self, at: int) -> int:
        (number,) = _NUMBER.unpack_from(self._shared, at)
        return int(number)

    def _put(self, at: int, number: int) -> None:
        _NUMBER.pack_into(self._shared, at, number)
