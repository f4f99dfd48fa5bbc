"""Password hashing in threads of its own.

As many threads as cores, since more only slow each other, and at the lowest priority, so that every other call goes
first. Who would wait too long is told so at once, before the queue is that long; and what has waited too long is not
hashed any more: by then its client has gone.
"""

import contextlib
import math
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from doorward.core.errors import Refused
from doorward.hashing import native
from doorward.hashing.schemes import Argon2Cost, hash_password, is_current, verify

T = TypeVar("T")

LOWEST_PRIORITY = 19
BCRYPT_READS = 72
LATELY = 15
"""So many durations tell, by the middle one: a few stalls or costly imported hashes do not shut the door."""


class Hasher:
    """Hashes and checks passwords.

    Each call raises Refused("OVERLOADED") when it would wait for longer than `longest_wait_s` seconds, by what hashes
    have taken so far, or has done so.
    """

    def __init__(
        self,
        cost: Argon2Cost,
        threads: int = 0,
        longest_wait_s: float = 2.0,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cost = cost
        self._threads = threads or os.cpu_count() or 1
        self._longest_wait_s = longest_wait_s
        self._timer = timer
        self._executor = ThreadPoolExecutor(self._threads, "hash", initializer=_give_way)
        self._counting = threading.Lock()
        self._calls = 0
        began = timer()
        # Checked in place of the hash of an unknown account, so that both take the same time.
        # By a thread, so that there is one: what is handed over while none can be started would wait for good.
        self._nobody = self._executor.submit(hash_password, "", cost).result()
        self._lately = deque([timer() - began], LATELY)
        self._hash_s = self._lately[0]
        native.release()

    def hash(self, password: str) -> str:
        return self._run(lambda: hash_password(password, self._cost))

    def verify(self, encoded: str | None, password: str) -> bool:
        """Whether the password is the one that was hashed; False, as slowly, when there is no hash."""
        known = encoded is not None
        return self._run(lambda: verify(encoded if encoded is not None else self._nobody, password)) and known

    def is_to_replace(self, encoded: str, password: str) -> bool:
        """Whether the hash, which this password matches, has another scheme or cost than new ones.

        Not one of bcrypt for a password of over 72 bytes: it matches whatever comes after them, mistypings too.
        """
        cut = encoded.startswith("$2") and len(password.encode()) > BCRYPT_READS
        return not cut and not is_current(encoded, self._cost)

    @property
    def waiting(self) -> int:
        """How many calls wait for a thread."""
        return max(0, self._calls - self._threads)

    @property
    def expected_wait_s(self) -> float:
        """How long the next call would wait, by what hashes have taken so far."""
        return max(0, self._calls + 1 - self._threads) * self._hash_s / self._threads

    def close(self) -> None:
        self._executor.shutdown()

    def _run(self, work: Callable[[], T]) -> T:
        with self._counting:
            wait_s = self.expected_wait_s
            if wait_s > self._longest_wait_s:
                raise Refused("OVERLOADED", math.ceil(wait_s))
            # First: where no further thread can be started it waits all the same, and is counted off in the end.
            self._calls += 1
            future = self._executor.submit(self._work, work, self._timer())
        return future.result()

    def _work(self, work: Callable[[], T], queued_at: float) -> T:
        try:
            began = self._timer()
            if began - queued_at > self._longest_wait_s:
                raise Refused("OVERLOADED", math.ceil(self._longest_wait_s))
            done = work()
            self._note(self._timer() - began)
            return done
        finally:
            self._end()

    def _end(self) -> None:
        with self._counting:
            self._calls -= 1
            some_wait = self._calls >= self._threads
        if not some_wait:
            native.release()

    def _note(self, took_s: float) -> None:
        with self._counting:
            self._lately.append(took_s)
            self._hash_s = sorted(self._lately)[len(self._lately) // 2]


def _give_way() -> None:
    # A system call filter may forbid it: the other calls are slower then, and logins work.
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOWEST_PRIORITY)
