"""Behind which event a sealer looks for those that are not sealed yet.

What was sealed leaves a dead entry in the index that unsealed events are found by, until PostgreSQL's vacuum comes by.
A look from the beginning walks over all of them.

A look must pass over no event for ever. Ids are given before the commit, so one may become visible after those behind
it were sealed. So a look begins behind what was the newest event a while ago, when nothing up to there was left to
seal; and now and then at the very beginning, for what was committed ever so late, or got a low id (a database that was
put back). See docs/decisions/0013.
"""

from dataclasses import dataclass

from doorward.core.clock import MINUTE

SETTLED = MINUTE
"""By then a transaction has ended, as a rule: its statements have seconds each."""
AT_ALL_EVERY = 10 * MINUTE
BEGINNING = 0


@dataclass(frozen=True)
class Found:
    """At `at`, nothing that could be seen was left to seal from where was looked up to the id `newest`.

    At least SETTLED before, nothing was up to `settled`. At `at_all`, the look was one from the beginning. Times are in
    milliseconds.
    """

    at: int
    newest: int
    settled: int
    at_all: int


class Looks:
    """Of one sealer, in memory: a start begins at the beginning. Threads may share it: what either notes is true."""

    def __init__(self) -> None:
        self._found: Found | None = None

    def behind(self, now: int) -> int:
        """The id behind which to look."""
        found = self._found
        # A clock that was turned back tells nothing of how long ago something was.
        if found is None or not found.at_all <= now < found.at_all + AT_ALL_EVERY:
            return BEGINNING
        return found.settled

    def found_nothing(self, now: int, behind: int, newest: int) -> None:
        """Note that a look behind that id found nothing to seal; `newest` was the last event shortly before it."""
        found = self._found
        if found is None or now < found.at:
            if behind == BEGINNING:
                self._found = Found(now, newest, BEGINNING, now)
            return
        at_all = now if behind == BEGINNING else found.at_all
        if now < found.at + SETTLED:
            self._found = Found(found.at, found.newest, found.settled, at_all)
        else:
            self._found = Found(now, newest, found.newest, at_all)
