"""Measures calls for accounts that exist and for ones that do not, over HTTP at a real server, and compares them.

Samples of all groups are interleaved at random, so that whatever slows the machine slows all alike. Each sample of a
group is made with an account or address of its own. Two groups of unknown accounts are compared as a control: what
differs there is noise. `D` is the two-sample Kolmogorov-Smirnov statistic, `D crit.` its value at a level of 0.001.
Exit code 1: some call can be told apart. `--write` puts the tables into docs/security/timing.md.
"""

import argparse
import math
import random
import statistics
import sys
import tempfile
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from json import dumps
from pathlib import Path

import sqlalchemy as sa

from bench import machine
from bench.page import TIMING, fill, markdown
from bench.report import table
from doorward.accounts import flows as accounts
from doorward.app import build_env
from doorward.core.migrate import migrate
from doorward.core.tables import users
from doorward.env import Env
from doorward.settings import load
from tests.support.postgres import postgres_server
from tests.support.servers import HOST, MailSink, Server, environment, mail_sink

LEVEL = 0.001
PASSWORD = "Correct-Horse-1"
WRONG = "Wrong-Horse-1"
REAL_COST = {"argon2_memory_kib": "19456", "argon2_time_cost": "2", "hash_threads": "0"}


@dataclass(frozen=True)
class Probe:
    """A call, what may be told apart, and how to ask with the account or address of one sample."""

    name: str
    verb: str
    path: str
    groups: tuple[str, ...]
    body: Callable[[str], dict[str, str]]


def _code(address: str) -> dict[str, str]:
    return {"email": address, "otp": "abcdef"}


PROBES = [
    Probe(
        "login, wrong password",
        "POST",
        "/auth/login",
        ("known", "disabled", "no password"),
        lambda address: {"username": address, "password": WRONG},
    ),
    Probe("reset/send", "POST", "/user/password/reset/send", ("known", "disabled"), lambda address: {"email": address}),
    Probe("reset/validate, nothing sent", "POST", "/user/password/reset/validate", ("known",), _code),
    Probe("reset/validate, code sent", "POST", "/user/password/reset/validate", ("known",), _code),
    Probe(
        "password/otp, code sent",
        "PUT",
        "/user/password/otp",
        ("known", "disabled"),
        lambda address: {"userEmail": address, "otp": "abcdef", "newPassword": "Another-Horse-2"},
    ),
    Probe("forgot-password", "POST", "/v1/auth/forgot-password", ("known",), lambda address: {"email": address}),
]
UNKNOWN, CONTROL = "unknown", "unknown too"


@dataclass(frozen=True)
class Comparison:
    """A group of a call's samples beside those of the unknown; times are medians in milliseconds."""

    call: str
    group: str
    samples: int
    unknown_ms: float
    median_ms: float
    distance: float
    critical: float

    @property
    def told_apart(self) -> bool:
        return self.distance > self.critical

    def cells(self) -> tuple[str, ...]:
        return (
            self.call,
            self.group,
            f"{self.samples:,}",
            f"{self.unknown_ms:.3f}",
            f"{(self.median_ms - self.unknown_ms) * 1000:+.0f}",
            f"{self.distance:.4f}",
            f"{self.critical:.4f}",
            "TOLD APART" if self.told_apart else "alike",
        )


HEAD = ("call", "group", "samples", "unknown, ms", "shift, µs", "D", "D crit.", "")


def main() -> int:
    """Measure on both databases and print the tables."""
    args = _arguments()
    about = f"{machine.describe()}."
    found = {kind: on(kind, args.only, args.samples) for kind in args.database or ["sqlite", "postgresql"]}
    print(about)
    if args.write:
        for kind, compared in found.items():
            rows = [each.cells() for each in compared]
            fill(f"timing {kind}", f"{markdown(HEAD, rows, words=2)}\n\n{about}", TIMING)
    return int(any(each.told_apart for compared in found.values() for each in compared))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.timing", description=__doc__)
    parser.add_argument("--samples", type=int, default=2500, help="of each group of each call")
    parser.add_argument("--database", choices=["sqlite", "postgresql"], action="append")
    parser.add_argument("--only", default="", help="calls whose name holds this")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/security/timing.md")
    return parser.parse_args()


def on(kind: str, only: str, samples: int) -> list[Comparison]:
    """The calls whose name holds `only`, on a database of that kind; each is printed once it is measured."""
    found: list[Comparison] = []
    with served(kind) as (env, server):
        for probe in PROBES:
            if only in probe.name:
                compared = comparisons(probe, measured(env, server, probe, samples))
                print("", kind, *table([HEAD, *(each.cells() for each in compared)], words=1), sep="\n", flush=True)
                found += compared
    return found


@contextmanager
def served(kind: str) -> Iterator[tuple[Env, Server]]:
    """A real server at the default cost of passwords, and the parts below it over the same database."""
    with tempfile.TemporaryDirectory() as name, mail_sink() as smtp:
        folder = Path(name)
        if kind == "sqlite":
            with started(f"sqlite:///{folder / 'doorward.db'}", folder, smtp) as found:
                yield found
            return
        with (
            postgres_server(durable=True) as postgres,
            started(postgres.create_database("timing"), folder, smtp) as found,
        ):
            yield found


@contextmanager
def started(url: str, folder: Path, smtp: MailSink) -> Iterator[tuple[Env, Server]]:
    migrate(url)
    # Each sample names its own client address, or the waits would answer in the place of the calls.
    environ = environment(url, folder, smtp, trusted_proxies="127.0.0.1", **REAL_COST)
    env = build_env(load({key: value for key, value in environ.items() if key.startswith("DOORWARD_")}))
    server = Server(environ, folder / "server.log").start()
    try:
        yield env, server
    finally:
        server.stop()
        env.hasher.close()
        env.db.close()


def measured(env: Env, server: Server, probe: Probe, samples: int) -> dict[str, list[float]]:
    """Milliseconds of each sample, by group."""
    groups = (UNKNOWN, CONTROL, *probe.groups)
    tag = f"{PROBES.index(probe)}"
    names = {
        group: [f"{tag}-{number}-{groups.index(group)}@example.org" for number in range(samples)] for group in groups
    }
    for group in probe.groups:
        add(env, names[group], group)
    plan = [(group, name) for group in groups for name in names[group]]
    random.shuffle(plan)
    connection = HTTPConnection(HOST, server.port, timeout=60)
    if "code sent" in probe.name:
        for number, (_, name) in enumerate(plan):
            call(connection, "POST", "/user/password/reset/send", {"email": name}, number)
    took: dict[str, list[float]] = {group: [] for group in groups}
    for number, (group, name) in enumerate(plan):
        took[group].append(call(connection, probe.verb, probe.path, probe.body(name), number))
    connection.close()
    return took


def call(connection: HTTPConnection, verb: str, path: str, body: dict[str, str], number: int) -> float:
    """Milliseconds of one call."""
    content = dumps(body)
    client = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    headers = {"Content-Type": "application/json", "X-Forwarded-For": client}
    began = time.perf_counter()
    connection.request(verb, path, content, headers)
    answer = connection.getresponse()
    answer.read()
    took = (time.perf_counter() - began) * 1000
    if answer.status not in {204, 401}:
        raise RuntimeError(f"{verb} {path} answered {answer.status}")
    return took


def add(env: Env, names: Sequence[str], group: str) -> None:
    """Accounts of a group, by one hash: how an account came by its hash does not matter here."""
    password_hash = None if group == "no password" else env.hasher.hash(PASSWORD)
    with env.db.write() as tx:
        for name in names:
            accounts.add(tx, name, name, password_hash)
        if group == "disabled":
            tx.execute(sa.update(users).where(users.c.email.in_(names)).values(disabled_at=tx.now))


def comparisons(probe: Probe, took: dict[str, list[float]]) -> list[Comparison]:
    """Each group beside the unknown."""
    base = took.pop(UNKNOWN)
    return [
        Comparison(
            probe.name,
            group,
            len(sample),
            statistics.median(base),
            statistics.median(sample),
            kolmogorov_smirnov(base, sample),
            critical_value(len(base), len(sample)),
        )
        for group, sample in took.items()
    ]


def kolmogorov_smirnov(one: Sequence[float], other: Sequence[float]) -> float:
    """The largest distance between the two samples' distribution functions."""
    left, right = sorted(one), sorted(other)
    return max(abs(bisect_right(left, at) / len(left) - bisect_right(right, at) / len(right)) for at in left + right)


def critical_value(one: int, other: int) -> float:
    """The distance that two samples of one distribution exceed with a chance of `LEVEL`."""
    return math.sqrt(-math.log(LEVEL / 2) / 2) * math.sqrt((one + other) / (one * other))


if __name__ == "__main__":
    sys.exit(main())
