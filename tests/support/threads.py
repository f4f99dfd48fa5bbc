"""Many hands at once."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

HANDS = 24


def at_once(*calls: Callable[[], T]) -> list[T]:
    """What each call gives, all begun at the same moment. Raises what the first of them raises."""
    barrier = threading.Barrier(len(calls))

    def run(call: Callable[[], T]) -> T:
        barrier.wait(30)
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def by_many(call: Callable[[int], T], hands: int = HANDS) -> list[T]:
    """The same call by many hands at once, each told its number."""
    return at_once(*(lambda number=number: call(number) for number in range(hands)))


def only(found: Sequence[T]) -> T:
    """The one there is."""
    assert len(found) == 1, found
    return found[0]
