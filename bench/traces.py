"""What traces cost: a server that sends them to a collector, which throws them away, beside one that makes none."""

import time
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench import machine
from bench.compare import Measured, Yardstick, compare
from bench.contract import HASHING_CONNECTIONS, rate
from bench.load import AFTER_S, Requests
from bench.report import Report
from bench.seed import LOGINS, WARM
from bench.servers import HOST, Server, Site, bare_server
from bench.suite import Plan

MICROS = 1e6
COLLECTOR_THREADS = 4
DROPPED = "the collector does not take them"
"""What a server writes into its log when no trace arrives."""


@dataclass(frozen=True)
class Traced(Site):
    """An installation whose traces go to a collector."""

    collector: int = 0

    def environ(self) -> dict[str, str]:
        return super().environ() | {"DOORWARD_TRACES_URL": f"http://{HOST}:{self.collector}/v1/traces"}


def run(plan: Plan, folder: Path) -> Report:
    """An exchange and a login with traces and without, by turns, on SQLite.

    Raises RuntimeError when a server or a load fails, and when the traces did not arrive.
    """
    report = Report(machine.describe())
    others = machine.Others()
    with ExitStack() as stack:
        with machine.pinned(machine.LOAD_CORE):
            collector = stack.enter_context(bare_server(folder, COLLECTOR_THREADS))
        sites = [Site(folder / "off"), Traced(folder / "on", collector=collector.port)]
        for site in sites:
            site.folder.mkdir()
            site.seed()
        with machine.pinned(machine.SERVER_CORE):
            servers = [stack.enter_context(site.serving()) for site in sites]
        off, on = (
            partial(rate, Requests(site.folder / WARM), server, plan.exchange_s)
            for site, server in zip(sites, servers, strict=True)
        )
        _add(report, "Exchange", *compare(off, {"on": on}, plan.rounds))
        for server in servers:
            machine.unpin(server.pid)
        off, on = (
            partial(_logins_a_second, Requests(site.folder / LOGINS), server, plan.login_s)
            for site, server in zip(sites, servers, strict=True)
        )
        _add(report, "Login on all cores", *compare(off, {"on": on}, plan.rounds))
    _require_arrival(sites[1])
    report.others = others.share()
    return report


def _logins_a_second(requests: Requests, server: Server, seconds: int) -> float:
    found = requests.rate(server, HASHING_CONNECTIONS, seconds)
    time.sleep(AFTER_S)
    return found


def _add(report: Report, name: str, without: Yardstick, measured: dict[str, Measured]) -> None:
    report.add(f"{name} with traces, of that without", measured["on"], "/s", None)
    report.note(f"{name} without traces", "/s", without)
    more = MICROS / measured["on"].values.middle - MICROS / without.values.middle
    report.notes.append(f"{name}: traces take {more:,.0f} microseconds of each")


def _require_arrival(site: Site) -> None:
    if DROPPED in (site.folder / "log").read_text("utf-8", "replace"):
        raise RuntimeError("the traces did not arrive: what was measured is not what they cost")
