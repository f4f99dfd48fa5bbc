"""Whether calls that overlapped were answered as if they had come one after another.

A history is linearizable when its calls can be put in an order in which each was over before any that began later, and
in which a sequential model gives each the answer that it got. Searched for as Wing and Gong do ("Testing and verifying
concurrent objects", 1993): of the calls that are left, any that began before the first of them ended may be next. What
was reached before (the same calls done, the same state) is not looked at again.
"""

import threading
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

S = TypeVar("S", bound=Hashable)


@dataclass(frozen=True)
class Call:
    """What was asked and told, from when to when (nanoseconds of one clock)."""

    asked: str
    told: str
    began: int
    ended: int


Step = Callable[[S, str, str], S | None]
"""The state after a call that was asked and told this in a state; None where the model would have told another."""


@dataclass
class History:
    """Calls as they are made, by any number of threads."""

    calls: list[Call] = field(default_factory=list)
    _noting: threading.Lock = field(default_factory=threading.Lock)

    def make(self, asked: str, call: Callable[[], str]) -> str:
        """Make the call and note it; gives what it was told. One that raises is not noted."""
        began = time.monotonic_ns()
        told = call()
        ended = time.monotonic_ns()
        with self._noting:
            self.calls.append(Call(asked, told, began, ended))
        return told


@dataclass
class _Reached(Generic[S]):
    """A state, and the calls of the order that led there."""

    state: S
    done: int = 0
    order: tuple[int, ...] = ()


def find_order(calls: Sequence[Call], state: S, step: Step[S]) -> list[Call] | None:
    """An order in which the model answers as the calls were answered, from this state; None when there is none."""
    by_begin = sorted(calls, key=lambda each: each.began)
    everything = (1 << len(by_begin)) - 1
    open_ends = [_Reached(state)]
    seen: set[tuple[int, S]] = set()
    while open_ends:
        reached = open_ends.pop()
        if reached.done == everything:
            return [by_begin[index] for index in reached.order]
        for index in _next(by_begin, reached.done):
            call = by_begin[index]
            after = step(reached.state, call.asked, call.told)
            done = reached.done | 1 << index
            if after is not None and (done, after) not in seen:
                seen.add((done, after))
                open_ends.append(_Reached(after, done, (*reached.order, index)))
    return None


def _next(calls: Sequence[Call], done: int) -> list[int]:
    """Those that may come next: no call that is left was over before they began. `calls` are in order of begin."""
    found: list[int] = []
    first_end: int | None = None
    # The lowest bit that is not set: all calls before it are done.
    for index in range((~done & (done + 1)).bit_length() - 1, len(calls)):
        call = calls[index]
        if first_end is not None and call.began > first_end:
            break
        if not done >> index & 1:
            found.append(index)
            first_end = call.ended if first_end is None else min(first_end, call.ended)
    return [index for index in found if first_end is not None and calls[index].began <= first_end]


def told_in_order(calls: Sequence[Call]) -> str:
    """The calls by their begin, a line each, to be read by whoever looks for a fault."""
    first = min((each.began for each in calls), default=0)
    lines = [
        f"{(each.began - first) / 1e6:9.2f} to {(each.ended - first) / 1e6:9.2f} ms  {each.asked}: {each.told}"
        for each in sorted(calls, key=lambda each: each.began)
    ]
    return "\n".join(lines)
