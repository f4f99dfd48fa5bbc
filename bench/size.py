"""`python -m bench.size [--users 1000000]`: whether anything is slower with a million users than with a thousand.

Users come in by `doorward users import`, two sessions each by SQL. Passwords are hashed at a thousandth of the cost, so
that a login shows what the database takes. Resets are asked for addresses without an account, which takes the same
work: an address with one gets a mail a minute.
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil
import psycopg
import sqlalchemy as sa
from psycopg import sql

from bench import machine, page
from bench.compare import compare
from bench.load import Requests, require_wrk
from bench.report import Report, Target
from bench.seed import EXCHANGE, LOGIN, PASSWORD, email, session_row, write
from bench.servers import DOORWARD, ROOT, Server, Site
from doorward.administration.keys import create
from doorward.app import build_env
from doorward.core.clock import DAY
from doorward.core.tables import identifiers, sessions
from doorward.env import Env
from doorward.hashing.schemes import Argon2Cost, hash_password
from doorward.settings import load
from tests.support.postgres import PostgresServer, postgres_server

FEW, MANY = 1_000, 1_000_000
SESSIONS_EACH = 2
SAMPLE = 20_000
"""Sessions that are asked for in turn, of users anywhere: more than the caches hold, with few users as with many."""
RESETS = 100_000
BATCH = 10_000
CHUNK = 1024 * 1024
CONNECTIONS, SECONDS, ROUNDS = 16, 2, 7
CHEAP = Argon2Cost(1, 64)
AT_LEAST = Target(1 / 1.15, at_least=True)
FIND = "GET /admin/api/users?prefix={name} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n\r\n"
"""As an administrator looks for a user."""
RESET = (
    "POST /user/password/reset/send HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    "X-Forwarded-For: 10.0.0.1\r\nContent-Length: {length}\r\n\r\n{body}"
)


@dataclass(frozen=True)
class Sized(Site):
    """An installation with so many users."""

    users: int = FEW

    def environ(self) -> dict[str, str]:
        cheap = {
            "DOORWARD_ARGON2_MEMORY_KIB": str(CHEAP.memory_kib),
            "DOORWARD_ARGON2_TIME_COST": str(CHEAP.time_cost),
        }
        return super().environ() | cheap

    def seed(self) -> None:
        (self.folder / "data").mkdir(mode=0o700, parents=True)
        subprocess.run([DOORWARD, "migrate"], env=self.environ(), check=True, capture_output=True)
        self._import()
        command = [sys.executable, "-m", "bench.size", "--fill", str(self.folder)]
        subprocess.run(command, cwd=ROOT, env=self.environ(), check=True)

    def warm(self) -> None:
        """Have SQLite's file in memory, as PostgreSQL has its pages: a kernel may put out what nobody asks for."""
        if not self.database_url:
            with Path(self.database.removeprefix("sqlite:///")).open("rb") as file:
                while file.read(CHUNK):
                    pass

    def _import(self) -> None:
        lines = self.folder / "users.jsonl"
        encoded = hash_password(PASSWORD, CHEAP)
        with lines.open("w") as file:
            for number in range(self.users):
                file.write(json.dumps({"email": email(number), "passwordHash": encoded}) + "\n")
        began = time.perf_counter()
        subprocess.run([DOORWARD, "users", "import", str(lines)], env=self.environ(), check=True, capture_output=True)
        took = time.perf_counter() - began
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(
            f"{self.users:,} users imported in {took:.0f} s, {self.users / took:,.0f}/s, at most {peak:.0f} MiB",
            flush=True,
        )
        lines.unlink()


def fill(folder: Path) -> None:
    """Sessions for all users, and the requests."""
    settings = load()
    env = build_env(settings)
    with env.db.read() as tx:
        in_order = sa.select(identifiers).order_by(identifiers.c.user_id)
        ids: dict[str, int] = {row.key: row.user_id for row in tx.execute(in_order)}
    chance = random.Random(1)  # noqa: S311 -- the same each time
    sample = chance.choices(range(len(ids)), k=SAMPLE)
    tokens = _add_sessions(env, list(ids.values()), Counter(ids[email(number)] for number in sample))
    chance.shuffle(tokens)
    names = [email(number) for number in sample]
    key = create(env, "bench", ("users:read",), DAY)
    bodies = [json.dumps({"username": name, "password": PASSWORD}) for name in names]
    write(folder / "exchanges", (EXCHANGE.format(token=token) for token in tokens))
    write(folder / "logins", (LOGIN.format(address="10.0.0.1", length=len(body), body=body) for body in bodies))
    write(folder / "users found", (FIND.format(name=name, key=key) for name in names))
    resets = [json.dumps({"email": f"nobody{number}@example.org"}) for number in range(RESETS)]
    write(folder / "resets", (RESET.format(length=len(body), body=body) for body in resets))
    env.hasher.close()
    env.db.close()


def _add_sessions(env: Env, ids: list[int], asked: Counter[int]) -> list[str]:
    """Two for each user, and one more for each time that they are asked for: the refresh tokens of those.

    They lie among the others, as sessions do that were begun at some time.
    """
    tokens: list[str] = []
    for first in range(0, len(ids), BATCH):
        with env.db.write() as tx:
            rows: list[dict[str, object]] = []
            for user_id in ids[first : first + BATCH]:
                for number in range(SESSIONS_EACH + asked[user_id]):
                    row, claims = session_row(tx, env, user_id)
                    rows.append(row)
                    tokens += [env.tokens.sign(claims)] if number >= SESSIONS_EACH else []
            tx.execute(sa.insert(sessions), rows)
    return tokens


def main(folder: Path, many: int, *, writes: bool) -> bool:
    """Whether nothing is slower than its target allows."""
    require_wrk()
    report = Report(machine.describe())
    others = machine.Others()
    with ExitStack() as stack:
        with machine.pinned(machine.LOAD_CORE):
            postgres = stack.enter_context(postgres_server(durable=True))
            _give_memory(postgres)
        for name in ("SQLite", "PostgreSQL"):
            urls = ["", ""] if name == "SQLite" else [postgres.create_database(each) for each in ("few", "many")]
            pairs = zip(urls, (FEW, many), strict=True)
            _compare(report, name, [Sized(folder / f"{name}-{users}", url, users) for url, users in pairs])
    report.others = others.share()
    print(report)
    if writes:
        page.fill("size", f"```text\n{report}\n```", page.SCALE)
    return report.met


def _give_memory(server: PostgresServer) -> None:
    """A quarter of the machine's, as PostgreSQL's manual advises; of itself it takes 128 MB, whatever it holds."""
    quarter = psutil.virtual_memory().total // 4 // 1024**2
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("ALTER SYSTEM SET shared_buffers = {}").format(f"{quarter}MB"))
    server.stop()
    server.start()


def _compare(report: Report, name: str, sites: list[Sized]) -> None:
    for site in sites:
        site.seed()
    with ExitStack() as stack:
        with machine.pinned(machine.SERVER_CORE):
            servers = [stack.enter_context(site.serving()) for site in sites]

        def rate(requests: Requests, site: Sized, server: Server) -> float:
            # What a load has left to do would otherwise be done on the core that the next is measured on.
            machine.rest(*(each.pid for each in servers))
            site.warm()
            return requests.rate(server, CONNECTIONS, SECONDS, core=machine.LOAD_CORE)

        for what in ("exchanges", "logins", "resets", "users found"):
            few, many = (
                partial(rate, Requests(site.folder / what), site, server)
                for site, server in zip(sites, servers, strict=True)
            )
            stick, measured = compare(few, {what: many}, ROUNDS)
            report.add(f"{name}: {what}, {sites[1].users:,} users", measured[what], "/s", AT_LEAST)
            report.note(f"{name}: {what}, {FEW:,} users", "/s", stick)
            print(f"{name}: {what}, {measured[what].ratios.middle:.3f} of the rate with {FEW:,} users", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.size")
    parser.add_argument("--users", type=int, default=MANY)
    parser.add_argument("--write", action="store_true", help="put the figures into docs/scale.md")
    parser.add_argument("--fill", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.fill:
        fill(args.fill)
    else:
        with tempfile.TemporaryDirectory(prefix="doorward-size-") as temporary:
            sys.exit(0 if main(Path(temporary), args.users, writes=args.write) else 1)
