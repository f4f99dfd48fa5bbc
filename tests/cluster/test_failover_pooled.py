"""Fail-over behind PgBouncer, by the configuration and the commands of docs/many-servers.md: every answer holds."""

import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from doorward.core.migrate import migrate
from tests.cluster.clients import Load, take_over
from tests.cluster.programs import Pooler
from tests.cluster.replication import Node, replicate, replicated
from tests.support.servers import HOST, Remote, environment, remotes
from tests.support.smtp import smtp_catcher

PAGE = Path(__file__).parents[2] / "docs" / "many-servers.md"
NAME = "doorward"


class Led(Pooler):
    """PgBouncer as documented, which leads to one node and then to another."""

    def lead_to(self, node: Node) -> None:
        """Write down where the database is."""
        found = re.search(r"```ini\n(.*?)```", PAGE.read_text(), re.DOTALL)
        assert found is not None
        users = self.configuration.with_name("userlist.txt")
        users.write_text('"postgres" ""\n')
        text = found[1]
        for documented, ours in (
            ("host=one.example.org port=5432", f"host={HOST} port={node.port}"),
            ("listen_addr = 127.0.0.1\nlisten_port = 6432", f"listen_addr = {HOST}\nlisten_port = {self.port}"),
            ("scram-sha-256", "trust"),
            ("/etc/pgbouncer/userlist.txt", str(users)),
        ):
            assert documented in text
            text = text.replace(documented, ours)
        self.configuration.write_text(text)

    def follow(self, node: Node) -> None:
        """Promote the node, and lead there."""
        node.promote()
        self.lead_to(node)
        self.tell("RELOAD", "RECONNECT")


@pytest.fixture
def nodes() -> Iterator[tuple[Node, Node]]:
    with replicated() as found:
        yield found


@pytest.fixture
def pooler(nodes: tuple[Node, Node], tmp_path: Path) -> Iterator[Led]:
    nodes[0].create_database(NAME)
    led = Led(nodes[0].socket_folder, tmp_path)
    led.lead_to(nodes[0])
    with led.running():
        yield led


@pytest.fixture
def servers(pooler: Led, tmp_path: Path) -> Iterator[Sequence[Remote]]:
    url = f"postgresql://postgres@{HOST}:{pooler.port}/{NAME}"
    migrate(url)
    with smtp_catcher() as smtp, remotes(environment(url, tmp_path, smtp), smtp, tmp_path, 2) as found:
        yield found


def test_a_primary_that_is_killed_behind_it_takes_no_answer_with_it(
    nodes: tuple[Node, Node], servers: Sequence[Remote], pooler: Led
) -> None:
    primary, standby = nodes
    load = Load(servers)
    load.settle()
    begun = time.monotonic()
    primary.kill()
    take_over(load, lambda: pooler.follow(standby), begun)

    # And back, on purpose: those who come meanwhile wait for it.
    primary.follow(standby)
    replicate(standby, primary)
    load = Load(servers, "back")
    load.settle()
    pooler.tell(f"PAUSE {NAME}")
    standby.stop()
    pooler.follow(primary)
    pooler.tell(f"RESUME {NAME}")
    load.settle()
    load.stop()
    print(f"changed back with {load.log.refusals} refusals, {load.log.longest():.1f} s at most; {load.audit()}")  # noqa: T201


def test_a_primary_that_hangs_behind_it_is_left(
    nodes: tuple[Node, Node], servers: Sequence[Remote], pooler: Led
) -> None:
    primary, standby = nodes
    load = Load(servers)
    load.settle()
    begun = time.monotonic()
    with primary.frozen():
        take_over(load, lambda: pooler.follow(standby), begun)
        primary.kill()
