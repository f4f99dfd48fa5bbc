"""The primary goes away under load and the standby takes its place: two servers find it, and every answer holds."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from doorward.core.migrate import migrate
from tests.cluster.clients import Load, take_over
from tests.cluster.replication import Node, replicate, replicated
from tests.support.person import Person, refusal
from tests.support.servers import HOST, Remote, environment, remotes, wait_until
from tests.support.smtp import smtp_catcher

NAME = "doorward"


@pytest.fixture
def nodes() -> Iterator[tuple[Node, Node]]:
    with replicated() as found:
        yield found


@pytest.fixture
def servers(nodes: tuple[Node, Node], tmp_path: Path) -> Iterator[Sequence[Remote]]:
    """Two servers whose URL names both nodes."""
    nodes[0].create_database(NAME)
    # The standby is named first and nothing else is said: the one that takes writes is found.
    migrate(url_of(nodes[::-1]))
    url = f"{url_of(nodes)}?target_session_attrs=read-write"
    with smtp_catcher() as smtp, remotes(environment(url, tmp_path, smtp), smtp, tmp_path, 2) as found:
        yield found


def url_of(nodes: Sequence[Node]) -> str:
    return f"postgresql://postgres@{','.join(f'{HOST}:{node.port}' for node in nodes)}/{NAME}"


def test_a_primary_that_is_killed_takes_no_answer_with_it(nodes: tuple[Node, Node], servers: Sequence[Remote]) -> None:
    primary, standby = nodes
    load = Load(servers)
    load.settle()
    begun = time.monotonic()
    primary.kill()
    load.be_refused()
    assert [server.call("GET", "/health/ready").status_code for server in servers] == [503, 503]
    assert [server.call("GET", "/health/live").status_code for server in servers] == [200, 200]
    take_over(load, standby.promote, begun)

    # And back, in an orderly way: the old primary comes back as a standby, and the new one is stopped.
    primary.follow(standby)
    replicate(standby, primary)
    load = Load(servers, "back")
    load.settle()
    begun = time.monotonic()
    standby.stop()
    take_over(load, primary.promote, begun)


def test_a_primary_that_hangs_is_left(nodes: tuple[Node, Node], servers: Sequence[Remote]) -> None:
    primary, standby = nodes
    load = Load(servers)
    load.settle()
    begun = time.monotonic()
    with primary.frozen():
        take_over(load, standby.promote, begun)
        primary.kill()


def test_a_primary_that_takes_no_writes_any_more_is_left_by_all_connections(
    nodes: tuple[Node, Node], servers: Sequence[Remote]
) -> None:
    primary, standby = nodes
    load = Load(servers)
    load.settle()
    begun = time.monotonic()
    primary.set("default_transaction_read_only", "on")
    take_over(load, standby.promote, begun)
    assert connections(primary) == 0
    assert connections(standby) > 0


def connections(node: Node) -> int:
    """How many the servers hold at the node."""
    return int(str(node.ask(f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{NAME}'")))


def test_what_the_standby_does_not_have_is_not_told_as_done(
    nodes: tuple[Node, Node], servers: Sequence[Remote]
) -> None:
    refresh = Person.at(servers[0]).refresh
    nodes[1].stop()
    # PostgreSQL ends no commit by its time-out for statements: that would tell of success.
    assert refusal(servers[0].call("POST", "/auth/logout", refresh)) == (503, "DATABASE_UNAVAILABLE")
    assert servers[1].call("GET", "/auth/accesstoken", refresh).status_code == 200
    nodes[1].start()
    wait_until(lambda: servers[1].call("GET", "/auth/accesstoken", refresh).status_code == 401)
