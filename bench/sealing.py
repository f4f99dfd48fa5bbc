"""`python -m bench.sealing`: what it costs to chain events, on both databases (docs/scale.md).

First as fast as it goes, then as they come at 1,000 logins a second. Processor time is that of this process and of the
connection's own process at PostgreSQL.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import sqlalchemy as sa

from bench.rows import event, insert, installation
from bench.servers import ROOT
from doorward.core.clock import SystemClock
from doorward.core.db import Database
from doorward.core.tables import events
from doorward.env import Env
from doorward.events.chain import Chain
from doorward.events.worker import POLL_S
from tests.support.postgres import postgres_server

MANY = 50_000
A_SECOND, SECONDS = 1_000, 20
TOGETHER = 10
"""Events a transaction of those that come: the writer is not what is measured."""


@dataclass
class Used:
    """Processor seconds so far: ours, and those of PostgreSQL for us."""

    ours: float
    servers: float


def used(env: Env) -> Used:
    ours = time.process_time()
    if env.db.is_sqlite:
        return Used(ours, 0.0)
    with env.db.read() as tx:
        pid = tx.execute(sa.select(sa.func.pg_backend_pid())).scalar_one()
    times = psutil.Process(pid).cpu_times()
    return Used(ours, times.user + times.system)


def drain(env: Env) -> str:
    insert(env, "events", event, 1, MANY)
    before, began = used(env), time.perf_counter()
    sealed = Chain(env.db, env.vault).seal_all()
    took, after = time.perf_counter() - began, used(env)
    assert sealed >= MANY, sealed
    ours, servers = after.ours - before.ours, after.servers - before.servers
    return (
        f"{sealed / took:,.0f} sealed/s as fast as it goes; a thousand take {ours / sealed * 1e6:.0f} ms of a core"
        f" here and {servers / sealed * 1e6:.0f} at the database"
    )


def keep_up(env: Env, url: str) -> str:
    """As the background loop does, for as long as events come."""
    chain = Chain(env.db, env.vault)
    batches: list[float] = []
    command = [sys.executable, "-m", "bench.sealing", "--write", url]
    with subprocess.Popen(command, cwd=ROOT, env=os.environ.copy(), stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        before, began, sealed = used(env), time.perf_counter(), 0
        while writer.poll() is None:
            start = time.perf_counter()
            batch = chain.seal()
            if batch:
                batches.append(time.perf_counter() - start)
                sealed += batch
            else:
                time.sleep(POLL_S)
        took, after = time.perf_counter() - began, used(env)
        assert writer.returncode == 0
    share = (after.ours - before.ours + after.servers - before.servers) / took
    batches.sort()
    return (
        f"{sealed / took:,.0f} sealed/s as they come, {share:.1%} of a core"
        f" (of it {(after.servers - before.servers) / took:.1%} at the database), {len(batches)} batches,"
        f" {batches[len(batches) // 2] * 1e3:.0f} ms each, the longest {batches[-1] * 1e3:.0f} ms; {left(env)} left"
    )


def left(env: Env) -> int:
    with env.db.read() as tx:
        return int(tx.execute(sa.select(sa.func.count()).where(events.c.seq.is_(None))).scalar_one())


def write(url: str) -> None:
    """Events at the rate that is asked for."""
    database = Database(url, SystemClock())
    print("begins", flush=True)
    began = time.perf_counter()
    for number in range(0, A_SECOND * SECONDS, TOGETHER):
        time.sleep(max(0.0, began + number / A_SECOND - time.perf_counter()))
        with database.write() as tx:
            tx.execute(sa.insert(events), [event(number + each) for each in range(TOGETHER)])
    database.close()


def measure(name: str, url: str) -> None:
    with installation(url) as env:
        for _ in range(3):
            print(f"{name}: {drain(env)}", flush=True)
        print(f"{name}: {keep_up(env, url)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", metavar="URL", help="write events to this database, and measure nothing")
    url = parser.parse_args().write
    if url:
        write(url)
        return
    with tempfile.TemporaryDirectory() as folder:
        measure("SQLite", f"sqlite:///{Path(folder) / 'doorward.db'}")
    with postgres_server(durable=True) as server:
        measure("PostgreSQL", server.create_database("sealing"))


if __name__ == "__main__":
    main()
