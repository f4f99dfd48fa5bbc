"""`python -m bench.soak [--minutes 30] [--database sqlite|postgresql]`: whether anything grows under load.

Half of what the machine can do of a mix (`bench.mix`), generator included, and every five seconds a look at the
server, and at the machine itself, since what it does to all is not the server's. Mails go to a server that throws
them away. Exits with 1 when something of the server's grows.
"""

import argparse
import math
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from bench import machine, page, plot
from bench.load import Requests, require_wrk
from bench.mix import Mix, faults, write_capacity
from bench.report import table
from bench.servers import HOST, Server, Site
from bench.trend import Allowance, Trend, trend
from tests.support.postgres import postgres_server
from tests.support.servers import mail_sink

EVERY_S = 5
LOOKS, APART_S = 5, 0.03
"""At the memory: a password that is being hashed takes 19 MiB, which the least of them is without."""

CAPACITY_S = 10
CAPACITY_CONNECTIONS = 8
"""Enough to keep all cores busy, and too few for logins to be shed on a slow machine."""

SHARE_OF_CAPACITY = 0.5
NO_BOUND = Allowance(math.inf, math.inf)
"""Of what the machine does; it is shown, and nobody's fault."""

SLOWEST = 100
"""The p99 is the fastest of the slowest hundredth."""


@dataclass(frozen=True)
class Mailed(Site):
    """An installation whose mails are taken."""

    smtp_port: int = 0

    def environ(self) -> dict[str, str]:
        return super().environ() | {"DOORWARD_SMTP_URL": f"smtp://{HOST}:{self.smtp_port}"}


@dataclass
class Samples:
    """What was seen of the server, a figure every five seconds."""

    minutes: list[float] = field(default_factory=list)
    pss_mb: list[float] = field(default_factory=list)
    files: list[float] = field(default_factory=list)
    threads: list[float] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    readings: list[machine.Reading] = field(default_factory=list)

    def add(self, minutes: float, pid: int, took: list[float], reading: machine.Reading) -> None:
        self.readings.append(reading)
        slowest = sorted(took, reverse=True)
        self.minutes.append(minutes)
        self.pss_mb.append(_memory_mb(pid))
        self.files.append(sum(process.num_fds() for process in machine.tree(pid)))
        self.threads.append(sum(process.num_threads() for process in machine.tree(pid)))
        self.p50_ms.append(median(slowest) * 1000)
        self.p99_ms.append(slowest[len(slowest) // SLOWEST] * 1000)

    def trends(self) -> list[Trend]:
        return [
            trend("Memory (PSS), MB", self.pss_mb, Allowance(0.05, 2)),
            trend("File descriptors", self.files, Allowance(0.05, 8)),
            trend("Threads", self.threads, Allowance(0, 2)),
            trend("p50 of an exchange, ms", self.p50_ms, Allowance(0.25, 1)),
            trend("p99 of an exchange, ms", self.p99_ms, Allowance(0.25, 2)),
        ]

    def of_the_machine(self) -> dict[str, list[float]]:
        return {
            "stolen by the hypervisor, %": [each.stolen_percent for each in self.readings],
            "a fixed piece of work, ms of CPU": [each.work_ms for each in self.readings],
            "a synced write, ms": [each.sync_ms for each in self.readings],
        }


def main() -> int:
    args = _arguments()
    require_wrk()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    about, others = machine.describe(), machine.Others()
    seen = soak(args.minutes, on_postgresql=args.database == "postgresql")
    told = f"{about}. {seen} Other processes used {others.share():.0%} of the cores."
    trends = seen.samples.trends()
    head = ("", "first third", "last third", "")
    rows = [_cells(each, "flat" if each.flat else "NOT FLAT") for each in trends]
    rows += [_cells(trend(name, each, NO_BOUND), "") for name, each in seen.samples.of_the_machine().items()]
    print("\n".join(["", *table([head, *rows]), "", told, *(f"{name}: {n}" for name, n in seen.wrong.items())]))
    if args.plot:
        _draw(args.plot, seen.samples)
    if args.write:
        drawing = page.PLOTS / f"soak-{args.database}.svg"
        _draw(drawing, seen.samples)
        image = f"![Memory, file descriptors, threads and times over the run](benchmarks/{drawing.name})"
        page.fill(f"soak {args.database}", "\n\n".join([page.markdown(head, rows), image, told]))
    return 0 if all(each.flat for each in trends) and not seen.wrong else 1


@dataclass(frozen=True)
class Seen:
    """A run: what was seen of the server, and how many answers it gave."""

    minutes: float
    rate: float
    samples: Samples
    answers: int
    wrong: dict[str, int]

    def __str__(self) -> str:
        return (
            f"{self.rate:,.0f} requests/s (half of what it could do) for {self.minutes:g} minutes: "
            f"{self.answers:,} answers, {sum(self.wrong.values())} of them not as expected."
        )


def soak(minutes: float, *, on_postgresql: bool) -> Seen:
    """Raises RuntimeError when a server or the first load fails, OSError when a connection breaks."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="doorward-soak-")))
        postgres = stack.enter_context(postgres_server(durable=True)) if on_postgresql else None
        url = postgres.create_database("soak") if postgres else ""
        site = Mailed(folder, url, stack.enter_context(mail_sink()).port)
        site.seed()
        server = stack.enter_context(site.serving())
        rate = SHARE_OF_CAPACITY * Requests(write_capacity(folder)).rate(server, CAPACITY_CONNECTIONS, CAPACITY_S)
        print(f"{rate:,.0f} requests/s for {minutes:g} minutes", flush=True)
        with Mix(folder, server, rate) as mix:
            samples = _watch(server, mix, minutes, machine.Ruler(folder))
        return Seen(minutes, rate, samples, mix.answers.total(), faults(mix.answers))


def _memory_mb(pid: int) -> float:
    looks = [machine.pss_bytes(pid)]
    for _ in range(LOOKS - 1):
        time.sleep(APART_S)
        looks.append(machine.pss_bytes(pid))
    return min(looks) / 1e6


def _watch(server: Server, mix: Mix, minutes: float, ruler: machine.Ruler) -> Samples:
    samples, began = Samples(), time.monotonic()
    for number in range(1, round(minutes * 60 / EVERY_S) + 1):
        time.sleep(max(0.0, began + number * EVERY_S - time.monotonic()))
        samples.add((time.monotonic() - began) / 60, server.pid, mix.taken(), ruler.look())
    return samples


def _draw(path: Path, samples: Samples) -> None:
    plot.lines(
        path,
        samples.minutes,
        {
            "Memory (PSS), MB": {"memory": samples.pss_mb},
            "File descriptors and threads": {"file descriptors": samples.files, "threads": samples.threads},
            "An exchange, ms": {"p99": samples.p99_ms, "p50": samples.p50_ms},
            "The machine itself": samples.of_the_machine(),
        },
    )


def _cells(each: Trend, verdict: str) -> tuple[str, ...]:
    return (each.name, f"{each.first:,.1f}", f"{each.last:,.1f}", verdict)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description="Does anything grow under steady load?")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw what was seen (SVG)")
    parser.add_argument("--write", action="store_true", help="put the figures and the plot into docs/benchmarks.md")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
