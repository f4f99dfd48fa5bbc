"""What is measured, and against what."""

import time
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench import ceilings, contract, machine
from bench.argon import checks_a_second, library, own_checks_a_second
from bench.compare import Measured, Series, compare
from bench.contract import Extent, rate
from bench.load import AFTER_S, Requests
from bench.report import Report, Row, Target
from bench.seed import COLD, LOGINS, WARM
from bench.servers import Server, Site, bare_server
from tests.support.postgres import postgres_server

EXCHANGING = 16
LOGGING_IN = 32
PACE = 200
SLOWEST = 100
"""The p99 is the fastest of the slowest hundredth."""
REQUEST_THREADS = 128
"""What the setting `request_threads` is by default."""

ENOUGH_EXCHANGES = Target(0.15, at_least=True)
ENOUGH_OF_SQLITE = Target(0.55, at_least=True)
NO_SLOWER = Target(1, at_least=True)
ENOUGH_LOGINS = Target(0.92, at_least=True)
SLOWED_AT_MOST = Target(4)
SMALL = Target(70, " MB")
SOON = Target(0.6, " s")


@dataclass(frozen=True)
class Plan:
    """How often and how long (seconds) each thing is measured."""

    rounds: int
    cold_rounds: int
    starts: int
    exchange_s: int
    argon_s: int
    login_s: int
    paced_s: int
    part_s: float
    operations: Extent


FULL = Plan(5, 2, 5, exchange_s=2, argon_s=2, login_s=4, paced_s=5, part_s=0.5, operations=Extent(2, 600, 1))
QUICK = Plan(1, 1, 1, exchange_s=1, argon_s=1, login_s=2, paced_s=2, part_s=0.1, operations=Extent(1, 40, 0))

FEW_STATES = Extent(1, 40, 0)
"""As many as the validate calls take, which use up none."""


def run(plan: Plan, folder: Path, *, every_operation: bool = False) -> Report:
    """What has a target, and every operation if that is asked for, with all data in the folder.

    Raises RuntimeError when a server or a load fails.
    """
    report = Report(machine.describe())
    others = machine.Others()
    with ExitStack() as stack:
        with machine.pinned(machine.LOAD_CORE):
            postgres = stack.enter_context(postgres_server(durable=True))
        sites = {
            "SQLite": _site(folder / "sqlite"),
            "PostgreSQL": _site(folder / "pg", postgres.create_database("bench")),
        }
        for site in sites.values():
            site.seed()
        _side_by_side(plan, report, sites, folder)
        _starts(plan, report, sites["SQLite"], folder)
        if every_operation:
            # At the end, and each database with a server that runs alone: they leave thousands of mails to be tried.
            report.operations = contract.measure(sites, plan.operations)
    report.others = others.share()
    return report


def _side_by_side(plan: Plan, report: Report, sites: dict[str, Site], folder: Path) -> None:
    """What is compared while both servers and the bare one are up."""
    with ExitStack() as stack:
        with machine.pinned(machine.SERVER_CORE):
            bare = stack.enter_context(bare_server(folder, REQUEST_THREADS))
            servers = {name: stack.enter_context(site.serving()) for name, site in sites.items()}
        _exchanges(plan, report, bare, servers, sites)
        for site in sites.values():
            contract.prepare(site, FEW_STATES)
        _validates(plan, report, servers, sites)
        _both_cores(plan, report, servers, sites)
        server, site = servers["SQLite"], sites["SQLite"]
        machine.unpin(server.pid)
        _logins(plan, report, server, site)
        _patience(plan, report, server, site)
        memory = Series([machine.pss_bytes(server.pid) / 1e6])
        report.rows.append(Row("Memory after all this (PSS)", memory, "MB", target=SMALL))


def _site(folder: Path, database_url: str = "") -> Site:
    folder.mkdir()
    return Site(folder, database_url)


def _exchanges(plan: Plan, report: Report, bare: Server, servers: dict[str, Server], sites: dict[str, Site]) -> None:
    """A refresh token for an access token, the server on one core, the generator (and PostgreSQL) on another."""
    yardstick = Requests(sites["SQLite"].folder / WARM)
    for kind, rounds in ((WARM, plan.rounds), (COLD, plan.cold_rounds)):
        takes = {
            name: partial(rate, Requests(sites[name].folder / kind), server, plan.exchange_s)
            for name, server in servers.items()
        }
        for take in takes.values():
            take()
        stick, measured = compare(partial(rate, yardstick, bare, plan.exchange_s), takes, rounds)
        for name, figures in measured.items():
            warm = kind == WARM
            label = f"Exchange, {name}" if warm else f"Exchange, {name}, no token remembered"
            report.add(label, figures, "/s", ENOUGH_EXCHANGES if warm and name == "SQLite" else None)
        report.note(f"Bare answer ({kind})", "/s", stick)
        if kind == WARM:
            _compare_databases(plan, report, stick.values.middle, measured, sites)


def _compare_databases(
    plan: Plan, report: Report, bare_rate: float, measured: dict[str, Measured], sites: dict[str, Site]
) -> None:
    values = {name: figures.values for name, figures in measured.items()}
    ratios = values["PostgreSQL"].over(values["SQLite"])
    label = "Exchange, PostgreSQL, of SQLite's"
    report.rows.append(Row(label, values["PostgreSQL"], "/s", ratios, ENOUGH_OF_SQLITE))
    for name, site in sites.items():
        _parts(plan, report, bare_rate, values[name], name, site.database)


def _parts(plan: Plan, report: Report, bare_rate: float, exchanges: Series, name: str, url: str) -> None:
    """The exchange beside its parts done one after another with nothing around them: what no more than that can do."""
    with machine.pinned(machine.SERVER_CORE):
        signatures = ceilings.signatures_a_second(plan.part_s)
        look_ups = ceilings.look_ups_a_second(url, plan.part_s)
    ceiling = ceilings.sum_of_parts(bare_rate, signatures, look_ups)
    ratios = Series([rate / ceiling for rate in exchanges.figures])
    report.rows.append(Row(f"Exchange, {name}, of the sum of its parts", Series([ceiling]), "/s", ratios))
    parts = f"{bare_rate:,.0f}/s bare answers, {signatures:,.0f}/s signatures, {look_ups:,.0f}/s look-ups"
    report.notes.append(f"Parts of the exchange, {name}: {parts}")


def _validates(plan: Plan, report: Report, servers: dict[str, Server], sites: dict[str, Site]) -> None:
    for name, site in sites.items():
        stick, measured = contract.validates(site, servers[name], plan.cold_rounds, plan.exchange_s)
        for operation, figures in measured.items():
            report.add(f"{operation}, {name}", figures, "/s", NO_SLOWER)
        report.note(f"Exchange beside them, {name}", "/s", stick)


def _both_cores(plan: Plan, report: Report, servers: dict[str, Server], sites: dict[str, Site]) -> None:
    """Two server processes on all cores, which the generator (and PostgreSQL) share, beside one process on one core."""
    for name, site in sites.items():
        requests = Requests(site.folder / WARM)
        with site.serving(workers=2) as both:
            one = partial(rate, requests, servers[name], plan.exchange_s)
            two = partial(requests.rate, both, EXCHANGING, plan.exchange_s)
            two()
            stick, measured = compare(one, {"both": two}, plan.cold_rounds)
        report.add(f"Exchange, {name}, two processes, load on the same cores", measured["both"], "/s", None)
        report.note(f"Exchange beside it, one process on one core, {name}", "/s", stick)


def _logins(plan: Plan, report: Report, server: Server, site: Site) -> None:
    """Against the password checks that the same cores manage with nothing around them."""
    requests = Requests(site.folder / LOGINS)

    def logins_a_second() -> float:
        rate = requests.rate(server, LOGGING_IN, plan.login_s)
        time.sleep(AFTER_S)
        return rate

    yardstick = partial(checks_a_second, len(machine.CORES), plan.argon_s)
    own = partial(own_checks_a_second, len(machine.CORES), plan.argon_s)
    stick, measured = compare(yardstick, {"logins": logins_a_second, "own": own}, plan.rounds)
    report.add("Logins on all cores", measured["logins"], "/s", ENOUGH_LOGINS)
    report.add("Bare Argon2id as Doorward computes it", measured["own"], "/s", None)
    logins = measured["logins"].values
    report.rows.append(Row("Logins, of that", logins, "/s", logins.over(measured["own"].values)))
    report.notes.append(f"Doorward computes Argon2id by {library()}")
    report.note("Bare Argon2id by libsodium, a thread a core", "/s", stick)


def _patience(plan: Plan, report: Report, server: Server, site: Site) -> None:
    """How much longer the slowest exchanges take while logins saturate all cores."""
    exchanges, logins = Requests(site.folder / WARM), Requests(site.folder / LOGINS)

    def idle() -> float:
        return _p99_ms(exchanges.paced(server, PACE, plan.paced_s))

    def saturated() -> float:
        with logins.loading(server, LOGGING_IN, plan.paced_s + 1):
            return _p99_ms(exchanges.paced(server, PACE, plan.paced_s))

    stick, measured = compare(idle, {"saturated": saturated}, plan.cold_rounds)
    report.add("p99 of the exchange while logins saturate", measured["saturated"], "ms", SLOWED_AT_MOST)
    report.note(f"p99 of {PACE} exchanges a second, idle", "ms", stick)


def _p99_ms(seconds: list[float]) -> float:
    return sorted(seconds, reverse=True)[len(seconds) // SLOWEST] * 1000


def _starts(plan: Plan, report: Report, existing: Site, folder: Path) -> None:
    """From the start of `doorward serve` to a ready service."""
    fresh = [_site(folder / f"fresh-{number}") for number in range(plan.starts)]
    for name, sites in (("existing", [existing] * plan.starts), ("fresh", fresh)):
        seconds = Series([_ready_s(site) for site in sites])
        report.rows.append(Row(f"Ready after start, {name} data", seconds, "s", target=SOON))


def _ready_s(site: Site) -> float:
    with site.serving() as server:
        return server.ready_s
