"""Logins and session checks of all products in turns, each sample between two looks at how fast the machine is."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bench import machine
from bench.argon import checks_a_second
from bench.compare import Series, Take
from bench.load import Requests, in_threads
from bench.peers.products import Product, ask
from bench.seed import write
from bench.servers import Server, bare_server

NOISY = 0.10
"""A sample counts when the machine was as fast after it as before, but for this share."""

TRIES = 3
CHECK_CONNECTIONS = 16
LOGIN_CONNECTIONS = 8
"""Enough to keep all hashing threads busy, and too few for Doorward to shed any on a slow machine."""

BARE_THREADS = 128
BARE_S, ARGON_S = 1, 1.0


@dataclass(frozen=True)
class Plan:
    """How often and how long (seconds), and how many users have a session each."""

    rounds: int
    check_s: int
    login_s: int
    users: int


FULL = Plan(rounds=5, check_s=3, login_s=4, users=200)
QUICK = Plan(rounds=1, check_s=1, login_s=2, users=20)


@dataclass(frozen=True)
class Sample:
    """What a product gave, and the machine before and after."""

    value: float
    before: float
    after: float

    @property
    def noise(self) -> float:
        """How much faster or slower the machine had become."""
        return abs(self.after / self.before - 1)

    @property
    def ratio(self) -> float:
        """To what the machine could do at the time."""
        return self.value / ((self.before + self.after) / 2)


@dataclass
class Samples:
    """Those of one product, one a round."""

    taken: list[Sample] = field(default_factory=list)

    @property
    def values(self) -> Series:
        return Series([sample.value for sample in self.taken])

    @property
    def ratios(self) -> Series:
        return Series([sample.ratio for sample in self.taken])

    @property
    def noise(self) -> float:
        """Of the noisiest sample."""
        return max(sample.noise for sample in self.taken)


@dataclass
class Figures:
    """All samples, by the product's name."""

    checks: dict[str, Samples] = field(default_factory=dict)
    logins: dict[str, Samples] = field(default_factory=dict)


def in_turns(stick: Take, takes: Mapping[str, Take], rounds: int) -> dict[str, Samples]:
    """Each round a sample of each; one with a restless machine is taken again, and the quietest is kept."""
    samples = {name: Samples() for name in takes}
    for _ in range(rounds):
        for name, take in takes.items():
            samples[name].taken.append(quietest(stick, take))
    return samples


def quietest(stick: Take, take: Take) -> Sample:
    """The first sample with a quiet machine, or of `TRIES` the quietest."""
    tried: list[Sample] = []
    before = stick()
    while len(tried) < TRIES:
        value = take()
        after = stick()
        tried.append(Sample(value, before, after))
        if tried[-1].noise <= NOISY:
            break
        before = after
    return min(tried, key=lambda sample: sample.noise)


def times(samples: Samples, other: Samples) -> Series:
    """How many times the other's rate, round by round, each beside what the machine could do at the time."""
    return samples.ratios.over(other.ratios)


def run(plan: Plan, products: tuple[Product, ...], folder: Path) -> Figures:
    """Everything. Raises RuntimeError when a server or a load fails."""
    with ExitStack() as stack:
        with machine.pinned(machine.SERVER_CORE):
            bare = stack.enter_context(bare_server(folder, BARE_THREADS))
        servers: dict[str, Server] = {}
        homes = {product.name: folder / product.name for product in products}
        for product in products:
            home = homes[product.name]
            with machine.pinned(machine.SERVER_CORE):
                servers[product.name] = stack.enter_context(product.serving(home))
            machine.unpin(servers[product.name].pid)
            _write_requests(product, servers[product.name], home, plan.users)
            machine.pin(servers[product.name].pid, machine.SERVER_CORE)
        checks = _checks(plan, bare, servers, homes)
        for server in servers.values():
            machine.unpin(server.pid)
        return Figures(checks, _logins(plan, servers, homes))


def _write_requests(product: Product, server: Server, home: Path, users: int) -> None:
    """Sign up the users, log each in, and write what asks for their sessions."""
    checks = [""] * users

    def begin(number: int) -> None:
        if product.sign_up is not None:
            ask(server.port, product.sign_up(number))
        checks[number] = product.check(*ask(server.port, product.login(number)))

    works: list[Callable[[], None]] = [partial(begin, number) for number in range(users)]
    for first in range(0, users, 4):
        in_threads(works[first : first + 4])
    write(home / "checks", checks)
    write(home / "logins", [product.login(number) for number in range(users)])


def _checks(plan: Plan, bare: Server, servers: Mapping[str, Server], homes: Mapping[str, Path]) -> dict[str, Samples]:
    """The server on one core, the generator on another; the yardstick is a bare answer."""

    def rate(requests: Requests, server: Server, seconds: int) -> float:
        return requests.rate(server, CHECK_CONNECTIONS, seconds, core=machine.LOAD_CORE)

    takes = {name: partial(rate, Requests(homes[name] / "checks"), servers[name], plan.check_s) for name in servers}
    for take in takes.values():
        take()
    stick = partial(rate, Requests(next(iter(homes.values())) / "checks"), bare, BARE_S)
    return in_turns(stick, takes, plan.rounds)


def _logins(plan: Plan, servers: Mapping[str, Server], homes: Mapping[str, Path]) -> dict[str, Samples]:
    """The server on all cores, and the generator too; the yardstick is bare Argon2id."""
    takes = {
        name: partial(Requests(homes[name] / "logins").rate, server, LOGIN_CONNECTIONS, plan.login_s)
        for name, server in servers.items()
    }
    return in_turns(partial(checks_a_second, len(machine.CORES), ARGON_S), takes, plan.rounds)
