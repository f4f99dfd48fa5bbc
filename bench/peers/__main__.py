"""`python -m bench.peers`: measures others of its kind beside Doorward; exits with 1 when a target is missed."""

import argparse
import signal
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench import machine, page, plot
from bench.compare import Series
from bench.load import require_wrk
from bench.peers.measure import FULL, NOISY, QUICK, Figures, Samples, run, times
from bench.peers.products import ALLAUTH, BETTER_AUTH, DOORWARD, PRODUCTS, Product
from bench.report import Row, Target, table

PLOT = page.PLOTS / "peers.svg"


@dataclass(frozen=True)
class Goal:
    """How many times another's rate Doorward's has to be."""

    name: str
    series: Series
    target: Target

    @property
    def row(self) -> Row:
        return Row(self.name, Series([self.series.middle]), "x", self.series, self.target)


def main() -> int:
    args = _arguments()
    require_wrk()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    for product in PRODUCTS:
        product.install()
    print("Measuring for about six minutes; leave the machine alone.", flush=True)
    about, others = machine.describe(), machine.Others()
    with tempfile.TemporaryDirectory(prefix="doorward-peers-") as folder:
        figures = run(QUICK if args.quick else FULL, PRODUCTS, Path(folder))
    report = Page(about, others.share(), figures)
    print("\n".join(report.lines()))
    if args.write:
        page.fill("peers", report.markdown())
        rates = {"Session checks a second, one core": figures.checks, "Logins a second, all cores": figures.logins}
        plot.bars(PLOT, {title: _middles(samples) for title, samples in rates.items()}, DOORWARD.name)
    return 0 if all(goal.row.met for goal in goals(figures)) else 1


def goals(figures: Figures) -> list[Goal]:
    """What Doorward has to reach."""
    ours, theirs = figures.checks[DOORWARD.name], figures.checks
    return [
        Goal("Session check, times better-auth's", times(ours, theirs[BETTER_AUTH.name]), Target(8, at_least=True)),
        Goal("Session check, times allauth's", times(ours, theirs[ALLAUTH.name]), Target(15, at_least=True)),
        Goal(
            "Logins, times better-auth's",
            times(figures.logins[DOORWARD.name], figures.logins[BETTER_AUTH.name]),
            Target(1.3, at_least=True),
        ),
    ]


@dataclass(frozen=True)
class Page:
    """The figures in words and tables."""

    machine: str
    others: float
    figures: Figures

    def lines(self) -> list[str]:
        """For a terminal."""
        head, *rows = self._table()
        targets = [("", "times", "min-max", "target", "met"), *self._goals()]
        return [self.machine, "", *table([head, *rows]), "", *table(targets), "", *self._noise()]

    def markdown(self) -> str:
        """For the documentation."""
        head, *rows = self._table()
        goal_head = ("", "times", "min-max", "target", "met")
        versions = [(product.name, product.check_name, product.versions()) for product in PRODUCTS]
        parts = (
            page.markdown(head, rows),
            f"![Session checks and logins a second, by product](benchmarks/{PLOT.name})",
            page.markdown(goal_head, self._goals()),
            page.markdown(("", "session check", "versions"), versions, words=3),
            f"Machine: {self.machine}. {' '.join(self._noise())}",
        )
        return "\n\n".join(parts)

    def _table(self) -> list[tuple[str, ...]]:
        head = ("", "session checks/s", "min-max", "noise", "logins/s", "min-max", "noise")
        return [head, *((each.name, *self._cells(each)) for each in PRODUCTS)]

    def _cells(self, product: Product) -> tuple[str, ...]:
        checks, logins = self.figures.checks[product.name], self.figures.logins[product.name]
        return (*_shown(checks), *_shown(logins))

    def _goals(self) -> list[tuple[str, ...]]:
        rows = (goal.row for goal in goals(self.figures))
        return [
            (row.name, f"{row.judged.middle:.2f}", _span(row.judged, 2), str(row.target), "yes" if row.met else "NO")
            for row in rows
        ]

    def _noise(self) -> list[str]:
        samples = [*self.figures.checks.values(), *self.figures.logins.values()]
        restless = sum(sample.noise > NOISY for each in samples for sample in each.taken)
        total = sum(len(each.taken) for each in samples)
        return [
            f"{restless} of {total} samples had a machine that changed its speed by more than {NOISY:.0%} meanwhile.",
            f"Other processes used {self.others:.0%} of the cores.",
        ]


def _shown(samples: Samples) -> tuple[str, str, str]:
    return f"{samples.values.middle:,.0f}", _span(samples.values, 0), f"{samples.noise:.1%}"


def _span(series: Series, places: int) -> str:
    low, high = series.span
    return f"{low:,.{places}f}-{high:,.{places}f}"


def _middles(samples: dict[str, Samples]) -> dict[str, float]:
    return {name: each.values.middle for name, each in samples.items()}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description="Measure others beside Doorward.")
    parser.add_argument("--quick", action="store_true", help="one round of each: shows that it works, proves nothing")
    parser.add_argument("--write", action="store_true", help="put the figures and the plot into docs/benchmarks.md")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
