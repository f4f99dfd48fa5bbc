"""The table that the benchmark prints."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from bench.compare import Measured, Series, Yardstick

Unit = Literal["/s", "ms", "MB", "s", "x"]
QUIET = 0.05
"""The share of the cores that others may use while figures count."""
HEAD = ("", "value", "ratio", "min-max", "target", "met")


@dataclass(frozen=True)
class Target:
    """`at_least` or at most this."""

    bound: float
    unit: str = ""
    at_least: bool = False

    def met(self, figure: float) -> bool:
        return figure >= self.bound if self.at_least else figure <= self.bound

    def __str__(self) -> str:
        return f"{'>=' if self.at_least else '<='} {self.bound:g}{self.unit}"


@dataclass(frozen=True)
class Row:
    """One figure; the target is for its ratio where it has one."""

    name: str
    value: Series
    unit: Unit
    ratio: Series | None = None
    target: Target | None = None

    @property
    def judged(self) -> Series:
        return self.ratio or self.value

    @property
    def met(self) -> bool | None:
        return None if self.target is None else self.target.met(self.judged.middle)

    def cells(self) -> tuple[str, ...]:
        places = 3 if self.ratio else PLACES[self.unit]
        low, high = self.judged.span
        return (
            self.name,
            shown(self.value.middle, self.unit),
            f"{self.ratio.middle:.3f}" if self.ratio else "",
            f"{low:,.{places}f}-{high:,.{places}f}",
            str(self.target or ""),
            {None: "", True: "yes", False: "NO"}[self.met],
        )


@dataclass(frozen=True)
class OperationRow:
    """An operation's rate on one core, and its ratio to the exchange's, by the name of the database."""

    name: str
    rates: dict[str, Measured]
    contains: str = ""

    def cells(self) -> tuple[str, ...]:
        figures = ((shown(each.values.middle, "/s"), f"{each.ratios.middle:.2f}") for each in self.rates.values())
        return (self.name, *(cell for pair in figures for cell in pair), self.contains)


PLACES: dict[str, int] = {"/s": 0, "ms": 2, "MB": 1, "s": 2, "x": 2}


@dataclass
class Report:
    """All rows, and under them what they were measured against."""

    machine: str
    others: float = 0.0
    rows: list[Row] = field(default_factory=list)
    operations: list[OperationRow] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, name: str, measured: Measured, unit: Unit, target: Target | None) -> None:
        self.rows.append(Row(name, measured.values, unit, measured.ratios, target))

    def note(self, name: str, unit: Unit, yardstick: Yardstick) -> None:
        low, high = yardstick.again.span
        again = f"the same again: {yardstick.again.middle:.3f} ({low:.3f}-{high:.3f}) of it"
        self.notes.append(f"{name}: {shown(yardstick.values.middle, unit)}; {again}")

    @property
    def met(self) -> bool:
        return all(row.met is not False for row in self.rows)

    def __str__(self) -> str:
        lines = table([HEAD, *(row.cells() for row in self.rows)])
        return "\n".join([self.machine, "", *lines, *self._operations(), "", *self.notes, self._noise()])

    def _operations(self) -> list[str]:
        if not self.operations:
            return []
        databases = (cell for name in self.operations[0].rates for cell in (name, "of exchange"))
        head = ("Every operation, one core", *databases, "what an answer took besides the look at the token")
        return ["", *table([head, *(row.cells() for row in self.operations)], words=1)]

    def _noise(self) -> str:
        verdict = "" if self.others <= QUIET else ": too much for these figures to count, measure again"
        return f"Other processes used {self.others:.0%} of the cores meanwhile{verdict}"

    def write(self, path: Path) -> None:
        rows = [asdict(row) | {"met": row.met} for row in self.rows]
        content = {
            "machine": self.machine,
            "others": self.others,
            "met": self.met,
            "rows": rows,
            "operations": [asdict(row) for row in self.operations],
            "notes": self.notes,
        }
        path.write_text(json.dumps(content, indent=2) + "\n", "utf-8")


def shown(figure: float, unit: Unit) -> str:
    return f"{figure:,.{PLACES[unit]}f}{'' if unit == '/s' else ' '}{unit}"


def table(lines: Sequence[tuple[str, ...]], words: int = 0) -> list[str]:
    """Lines in columns: the first, and the last ones that hold `words`, to the left; figures to the right."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    lefts = {0, *range(len(widths) - words, len(widths))}
    return [
        "  ".join(
            cell.ljust(width) if column in lefts else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
