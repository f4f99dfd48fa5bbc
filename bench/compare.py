"""Measuring ratios on a machine whose speed drifts: everything is taken in turns, between two takes of a yardstick."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import median

Take = Callable[[], float]


@dataclass
class Series:
    """Figures of the same thing, one a round."""

    figures: list[float] = field(default_factory=list)

    @property
    def middle(self) -> float:
        return median(self.figures)

    def over(self, other: "Series") -> "Series":
        """Round by round how many times the other's."""
        return Series([mine / theirs for mine, theirs in zip(self.figures, other.figures, strict=True)])

    @property
    def span(self) -> tuple[float, float]:
        return min(self.figures), max(self.figures)


@dataclass
class Measured:
    """One thing beside its yardstick."""

    values: Series = field(default_factory=Series)
    ratios: Series = field(default_factory=Series)

    def add(self, other: "Measured") -> None:
        """Take over the figures of further rounds."""
        self.values.figures += other.values.figures
        self.ratios.figures += other.ratios.figures


@dataclass
class Yardstick:
    """What it gave, and the second take of each round divided by the first: the noise of every ratio."""

    values: Series = field(default_factory=Series)
    again: Series = field(default_factory=Series)


def compare(yardstick: Take, takes: Mapping[str, Take], rounds: int) -> tuple[Yardstick, dict[str, Measured]]:
    """Each round: the yardstick, each of the takes, and the yardstick again."""
    stick, measured = Yardstick(), {name: Measured() for name in takes}
    for _ in range(rounds):
        first = yardstick()
        values = {name: take() for name, take in takes.items()}
        second = yardstick()
        stick.values.figures += [first, second]
        stick.again.figures.append(second / first)
        for name, value in values.items():
            measured[name].values.figures.append(value)
            measured[name].ratios.figures.append(value / ((first + second) / 2))
    return stick, measured
