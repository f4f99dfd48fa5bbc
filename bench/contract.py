"""Every operation of the contract on one core, beside the exchange."""

import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial

from bench import machine
from bench.compare import Measured, Yardstick, compare
from bench.load import Requests
from bench.operations import OPERATIONS, Load
from bench.report import OperationRow
from bench.seed import WARM
from bench.servers import ROOT, Server, Site
from bench.states import put_in_code

CONNECTIONS = 16
HASHING_CONNECTIONS = 4
"""Enough to keep the hashing threads busy, and too few to be shed on a slow machine."""

HASHED_SHARE = 10
"""A load that hashes gets so many times fewer requests."""

LONGEST_S = 20
"""Within which the answers to a counted load come in any case."""


@dataclass(frozen=True)
class Extent:
    """How long: `answers` to an operation that uses up states, `seconds` for others (0: `answers` there, too)."""

    rounds: int
    answers: int
    seconds: int

    @property
    def states(self) -> int:
        """How many of each are used up, those in flight at the end of each load included."""
        return (self.rounds + 1) * (self.answers + CONNECTIONS + 1)


def prepare(site: Site, extent: Extent) -> None:
    """Make the states and the requests; access tokens among them live for five minutes."""
    command = [sys.executable, "-m", "bench.states", str(site.folder), str(extent.states)]
    subprocess.run(command, cwd=ROOT, env=site.environ(), check=True)


def measure(sites: Mapping[str, Site], extent: Extent) -> list[OperationRow]:
    """The rows of all operations, each with its figures by the name of the database; one server at a time."""
    measured = dict[str, dict[str, Measured]]()
    for name, site in sites.items():
        with ExitStack() as stack:
            with machine.pinned(machine.SERVER_CORE):
                server = stack.enter_context(site.serving())
            measured[name] = _measure(site, server, extent)
    return [
        OperationRow(
            operation.name, {name: rates[operation.name] for name, rates in measured.items()}, operation.contains
        )
        for operation in OPERATIONS
    ]


def validates(site: Site, server: Server, rounds: int, seconds: int) -> tuple[Yardstick, dict[str, Measured]]:
    """The validate calls beside the exchange: no signature, so they should be no slower."""
    wanted = [each for each in OPERATIONS if each.path.startswith("/auth/") and each.path.endswith("/validate")]
    takes = {each.name: partial(rate, Requests(site.folder / each.file), server, seconds) for each in wanted}
    return compare(partial(rate, Requests(site.folder / WARM), server, seconds), takes, rounds)


def rate(requests: Requests, server: Server, seconds: int) -> float:
    """Answers a second, the generator on the core that is not the server's."""
    return requests.rate(server, CONNECTIONS, seconds, core=machine.LOAD_CORE)


def _measure(site: Site, server: Server, extent: Extent) -> dict[str, Measured]:
    """Each round has states of its own: made for all rounds at once, the last would have expired before their turn."""
    one = replace(extent, rounds=1)
    measured = {each.name: Measured() for each in OPERATIONS}
    for _ in range(extent.rounds):
        prepare(site, one)
        takes = {each.name: partial(_take, site, each, server, extent) for each in OPERATIONS}
        exchange = Requests(site.folder / WARM)
        _, figures = compare(partial(rate, exchange, server, max(1, extent.seconds)), takes, rounds=1)
        for name, figure in figures.items():
            measured[name].add(figure)
    return measured


def _take(site: Site, operation: Load, server: Server, extent: Extent) -> float:
    requests = Requests(site.folder / operation.file)
    if operation.timed:
        put_in_code(site.folder, operation)
    seconds, answers = extent.seconds, extent.answers
    if operation.hashes:
        answers //= HASHED_SHARE
    counted = operation.once or operation.hashes or not seconds
    return requests.rate(
        server,
        HASHING_CONNECTIONS if operation.hashes else CONNECTIONS,
        LONGEST_S if counted else seconds,
        core=machine.LOAD_CORE,
        at_most=answers if counted else 0,
    )
