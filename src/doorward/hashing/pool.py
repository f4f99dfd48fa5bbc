"""Password hashing in threads of its own.

As many threads as cores, since more only slow each other, and at the lowest priority, so that every other call goes
first. The queue is bounded: who would wait too long is told so at once.
"""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from doorward.core.errors import Refused
from doorward.hashing.schemes import Argon2Cost, hash_password, is_current, verify

T = TypeVar("T")

LOWEST_PRIORITY = 19
RETRY_AFTER_S = 2
BCRYPT_READS = 72


class Hasher:
    """Hashes and checks passwords. Each call raises Refused("OVERLOADED") when `queue` calls wait already."""

    def __init__(self, cost: Argon2Cost, threads: int = 0, queue: int = 96) -> None:
        self._cost = cost
        threads = threads or os.cpu_count() or 1
        self._executor = ThreadPoolExecutor(threads, "hash", initializer=_give_way)
        self._places = threading.BoundedSemaphore(threads + queue)
        # Checked in place of the hash of an unknown account, so that both take the same time.
        self._nobody = hash_password("", cost)

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

    def close(self) -> None:
        self._executor.shutdown()

    def _run(self, work: Callable[[], T]) -> T:
        if not self._places.acquire(blocking=False):
            raise Refused("OVERLOADED", RETRY_AFTER_S)
        try:
            return self._executor.submit(work).result()
        finally:
            self._places.release()


def _give_way() -> None:
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOWEST_PRIORITY)
