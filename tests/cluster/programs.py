"""Debian's PgBouncer and HAProxy, run with a configuration of ours and stopped again."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import httpx
import psycopg

from tests.support.postgres import UNPRIVILEGED, PostgresServer
from tests.support.servers import HOST, free_port, wait_until

SEARCHED = f"{os.environ['PATH']}:/usr/sbin"


def program(name: str) -> str:
    """Its path. Raises RuntimeError when it is not there."""
    found = shutil.which(name, path=SEARCHED)
    if found is None:
        raise RuntimeError(f"{name} is not installed: run make cluster, which installs it or says how")
    return found


@contextmanager
def _running(command: Sequence[str], log: Path, **options: Any) -> Iterator[None]:
    with log.open("ab") as output, subprocess.Popen(command, stdout=output, stderr=output, **options) as process:
        try:
            yield
        finally:
            process.kill()


class Pooler:
    """PgBouncer, by a configuration that may change while it runs."""

    def __init__(self, home: Path, folder: Path) -> None:
        """`home` is where the user that it runs as can read; its log goes to `folder`."""
        self.port = free_port()
        self.configuration = home / "pgbouncer.ini"
        self._log = folder / "pgbouncer.log"

    @contextmanager
    def running(self) -> Iterator[Self]:
        as_user: dict[str, Any] = {}
        if os.geteuid() == 0:
            # It refuses to run as root, as PostgreSQL does.
            as_user = {"user": UNPRIVILEGED, "group": UNPRIVILEGED, "extra_groups": []}
        with _running([program("pgbouncer"), str(self.configuration)], self._log, **as_user):
            wait_until(self._answers)
            yield self

    def tell(self, *commands: str) -> None:
        """Give these at its console."""
        with psycopg.connect(self._console, autocommit=True) as console:
            for command in commands:
                console.execute(command.encode())

    @property
    def _console(self) -> str:
        return f"postgresql://postgres@{HOST}:{self.port}/pgbouncer"

    def _answers(self) -> bool:
        try:
            psycopg.connect(self._console).close()
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def pgbouncer(server: PostgresServer, folder: Path, *, connections: int) -> Iterator[Pooler]:
    """PgBouncer in transaction mode before the server."""
    pooler = Pooler(server.socket_folder, folder)
    pooler.configuration.write_text(
        f"""\
[databases]
* = host={server.socket_folder} user=postgres
[pgbouncer]
listen_addr = {HOST}
listen_port = {pooler.port}
unix_socket_dir =
auth_type = any
admin_users = postgres
pool_mode = transaction
default_pool_size = {connections}
max_client_conn = 500
"""
    )
    with pooler.running():
        yield pooler


class Balancer:
    """HAProxy before Doorward's servers, by the configuration that docs/many-servers.md shows."""

    def __init__(self, port: int, statistics: int) -> None:
        self.url = f"http://{HOST}:{port}"
        self._statistics = f"http://{HOST}:{statistics}/;csv"

    def up(self) -> int:
        """How many servers it sends requests to."""
        try:
            lines = httpx.get(self._statistics).text.splitlines()
        except httpx.TransportError:
            return 0
        states = [line.split(",")[17] for line in lines if line.startswith(("doorward,one,", "doorward,two,"))]
        return sum(state.startswith("UP") and "/" not in state for state in states)


@contextmanager
def haproxy(template: str, ports: Sequence[int], folder: Path) -> Iterator[Balancer]:
    """HAProxy by the template, whose `server` lines are for the documentation's addresses."""
    port, statistics = free_port(), free_port()
    text = template.replace(":443 ssl crt /etc/ssl/auth.pem", f"{HOST}:{port}")
    for number, server in enumerate(ports, 1):
        text = text.replace(f"10.0.0.{number}:8000", f"{HOST}:{server}")
    text += f"\nfrontend statistics\n    bind {HOST}:{statistics}\n    stats enable\n    stats uri /\n"
    configuration = folder / "haproxy.cfg"
    configuration.write_text(text)
    with _running([program("haproxy"), "-f", str(configuration)], folder / "haproxy.log"):
        balancer = Balancer(port, statistics)
        wait_until(lambda: balancer.up() == len(ports))
        yield balancer
