"""Whether something grows: the last third of its figures beside the first, after a warm-up."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

WARM_UP = 1 / 6
"""The share of a run before anything is compared: caches and pools fill."""

FEWEST = 6


@dataclass(frozen=True)
class Allowance:
    """How far the last third's median may lie above the first's: the larger of a share and an amount."""

    share: float
    amount: float


@dataclass(frozen=True)
class Trend:
    """The medians of the first and of the last third."""

    name: str
    first: float
    last: float
    allowance: Allowance

    @property
    def flat(self) -> bool:
        """Nothing grew; what has fallen is flat, too."""
        return self.last - self.first <= max(self.first * self.allowance.share, self.allowance.amount)


def trend(name: str, figures: Sequence[float], allowance: Allowance) -> Trend:
    """Raises ValueError for fewer figures than can be compared."""
    if len(figures) < FEWEST:
        raise ValueError(f"{name}: {len(figures)} figures are too few to compare")
    warm = figures[round(len(figures) * WARM_UP) :]
    third = len(warm) // 3
    return Trend(name, median(warm[:third]), median(warm[-third:]), allowance)
