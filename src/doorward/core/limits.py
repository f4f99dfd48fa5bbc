"""How many connections to the database a process holds, and how long anything at it may take."""

from dataclasses import dataclass
from typing import Literal

Prepared = Literal["auto", "on", "off"]


@dataclass(frozen=True)
class Limits:
    """Times are in seconds; a `statement_s` of 0 sets no limit (for migrations).

    `pool` bounds the connections for transactions, and again those for reads without one. `prepared` says whether
    statements are prepared at the server: `auto` finds out whether a pooler stands in between.
    """

    pool: int = 8
    wait_s: float = 3
    connect_s: float = 3
    statement_s: float = 5
    lock_s: float = 2
    prepared: Prepared = "auto"

    @property
    def patience_s(self) -> float | None:
        """After which a server that answers nothing counts as gone: it has had the time to end the statement itself."""
        return self.statement_s + 1 if self.statement_s else None
