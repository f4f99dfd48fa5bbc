"""Two PostgreSQL, one a standby of the other, by the commands that docs/many-servers.md shows."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

from tests.support.postgres import PostgresServer
from tests.support.servers import free_port, wait_until


class Node(PostgresServer):
    """One of them, by name; begun as a copy of another where there is one."""

    def __init__(self, name: str, copied: "Node | None" = None) -> None:
        super().__init__(durable=True, port=free_port())
        self.name = name
        self._copied = copied

    def promote(self) -> None:
        """Make the standby take writes, and wait for no other."""
        self.run("pg_ctl", "promote", f"--pgdata={self._data}")
        self.wait_for_standby("")

    def wait_for_standby(self, names: str) -> None:
        """Let commits wait for the standbys of these names."""
        self.set("synchronous_standby_names", names)
        wait_until(lambda: self.ask("SHOW synchronous_standby_names") == names)

    def set(self, name: str, value: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            statement = sql.SQL("ALTER SYSTEM SET {} = {}")
            connection.execute(statement.format(sql.Identifier(name), sql.Literal(value)))
            connection.execute("SELECT pg_reload_conf()")

    def ask(self, question: str) -> object:
        """The one value of the answer."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            row = connection.execute(question.encode()).fetchone()
        return row[0] if row else None

    def follow(self, other: "Node") -> None:
        """Come back as the other's standby, after a crash or a stop."""
        self.run("pg_rewind", f"--target-pgdata={self._data}", *self._source(other, "--source-server"))
        self.start()

    def _fill(self) -> None:
        if self._copied is None:
            super()._fill()
        else:
            self.run("pg_basebackup", f"--pgdata={self._data}", *self._source(self._copied, "--dbname"))

    def _source(self, other: "Node", option: str) -> tuple[str, str]:
        return f"{option}={other.url('postgres')}?application_name={self.name}", "--write-recovery-conf"


def replicate(primary: Node, standby: Node) -> None:
    """Let the primary's commits wait for the standby, from now on."""
    primary.wait_for_standby(standby.name)
    wait_until(lambda: primary.ask("SELECT sync_state FROM pg_stat_replication") == "sync")


@contextmanager
def replicated() -> Iterator[tuple[Node, Node]]:
    """A primary and a standby for which its commits wait."""
    primary = Node("one")
    standby = Node("two", primary)
    try:
        primary.start()
        standby.start()
        replicate(primary, standby)
        yield primary, standby
    finally:
        standby.remove()
        primary.remove()
