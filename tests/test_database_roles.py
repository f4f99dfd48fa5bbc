"""Two roles on PostgreSQL, made by deploy/two-roles.sql: one owns and migrates, the other serves and changes no schema.

The roles are those of docs/operations.md; the commands are run as they stand there.
"""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from doorward.core.migrate import HEAD, migrate
from doorward.core.tables import metadata
from doorward.events.chain import Chain
from doorward.events.verify import verify
from tests.support.cli import Cli
from tests.support.clock import FakeClock
from tests.support.person import refusal
from tests.support.postgres import PostgresServer
from tests.support.releases import NEXT, next_release
from tests.support.servers import environment, free_port
from tests.support.service import EMAIL, Service, running
from tests.support.smtp import SmtpCatcher

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "operations.md").read_text()
DAY = 24 * 3600
NAME, OWNER = "doorward", "doorward_owner"


class Roles:
    """The database of the page, at a server of the tests."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server

    def url(self, role: str = NAME) -> str:
        return self._server.url(NAME).replace("postgres@", f"{role}@")

    @property
    def owner(self) -> str:
        return self.url(OWNER)

    def psql(self, url: str, *arguments: str) -> None:
        self.run("psql", "--no-psqlrc", "--quiet", f"--dbname={url}", *arguments)

    def run(self, program: str, *arguments: str) -> None:
        command = [str(self._server.programs / program), *arguments]
        quiet = os.environ | {"PGOPTIONS": "--client-min-messages=warning"}
        done = subprocess.run(command, env=quiet, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")

    def administer(self, *statements: str) -> None:
        """As PostgreSQL's administrator, in no database of ours."""
        self.psql(self._server.url("postgres"), *(f"--command={each}" for each in statements))

    def share_out(self) -> None:
        self.psql(self._server.url(NAME), f"--file={ROOT / 'deploy/two-roles.sql'}")

    def drop(self) -> None:
        self.administer(
            f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)", *(f"DROP ROLE IF EXISTS {each}" for each in (NAME, OWNER))
        )


def statements(first: str) -> list[str]:
    """Those of the block of SQL on the page that begins so."""
    (block,) = re.findall(rf"```sql\n({re.escape(first)}.*?)```", PAGE, re.DOTALL)
    return [each for each in block.split("\n") if each]


@pytest.fixture
def roles(postgres: PostgresServer) -> Iterator[Roles]:
    made = Roles(postgres)
    try:
        yield made
    finally:
        made.drop()


@pytest.fixture
def cli(roles: Roles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Cli:
    return Cli(roles.url(), tmp_path, monkeypatch, capfd)


@pytest.fixture
def shared_out(roles: Roles, cli: Cli) -> Roles:
    """As the page says for a new installation."""
    roles.administer(*statements("CREATE ROLE doorward_owner"))
    roles.share_out()
    assert "is empty, this release works on" in cli.fails("keys", "list")
    cli.must("migrate", database_url=roles.owner)
    roles.share_out()
    return roles


def role_point(cli: Cli, **settings: str) -> Any:
    (point,) = [each for each in cli.run("check", "--json", **settings).rows if each["name"] == "database role"]
    return point


def walk(service: Service, clock: FakeClock, email: str) -> None:
    """What a server does with its database: people's requests, mails, seals, sweeps, keys."""
    service.add_user(email)
    refresh = service.login(email)
    service.enable_totp(service.access(refresh))
    assert service.call("POST", "/user/password/reset/send", json={"email": email}).status_code == 204
    service.mailed_code(email)
    clock.advance(40 * DAY)
    assert refusal(service.call("GET", "/auth/accesstoken", refresh))[0] == 401
    chain = Chain(service.doorward.env.db, service.doorward.env.vault)
    assert chain.seal() > 0
    assert verify(chain).broken is None
    assert service.doorward.sweeper.sweep() > 0
    assert service.call("GET", "/health/ready").json() == {"status": "ok", "schema": HEAD}


REFUSED = [
    "CREATE TABLE others (id integer)",
    "CREATE TEMPORARY TABLE others (id integer)",
    "CREATE SCHEMA others",
    "ALTER TABLE users ADD COLUMN nickname text",
    "DROP TABLE users",
    "TRUNCATE events",
    "CREATE INDEX others ON users (email)",
    "ALTER TABLE events DISABLE TRIGGER ALL",
    "CREATE FUNCTION others() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    "UPDATE alembic_version SET version_num = '9999'",
    "DELETE FROM alembic_version",
    "ALTER DEFAULT PRIVILEGES FOR ROLE doorward_owner GRANT ALL ON TABLES TO PUBLIC",
    "SET ROLE doorward_owner",
]


def test_the_serving_role_serves_and_changes_no_schema(
    shared_out: Roles, cli: Cli, tmp_path: Path, clock: FakeClock, smtp: SmtpCatcher
) -> None:
    # What some guide had the role be given before.
    for right in (
        "DATABASE doorward",
        "SCHEMA public",
        "ALL TABLES IN SCHEMA public",
        "ALL SEQUENCES IN SCHEMA public",
    ):
        shared_out.psql(shared_out.owner, f"--command=GRANT ALL ON {right} TO doorward")
    shared_out.share_out()
    # What somebody else keeps there is theirs to give.
    shared_out.psql(
        shared_out.owner,
        "--command=CREATE TABLE notes (id serial)",
        "--command=REVOKE ALL ON notes_id_seq FROM doorward",
    )
    with running(shared_out.url(), tmp_path, clock, smtp) as service:
        walk(service, clock, EMAIL)
    cli.must("keys", "rotate")
    cli.must("users", "list")
    with psycopg.connect(shared_out.url(), autocommit=True) as connection:
        for statement in REFUSED:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                pytest.fail(f"{statement}: {connection.execute(statement)}")
    assert role_point(cli) == {
        "name": "database role",
        "state": "ok",
        "found": "doorward, which may not change the schema: `doorward migrate` needs another",
        "mend": "",
    }
    assert "may change the schema too" in role_point(cli, database_url=shared_out.owner)["found"]
    for on in ("SCHEMA public", "DATABASE doorward"):
        shared_out.psql(shared_out.owner, f"--command=GRANT CREATE ON {on} TO doorward")
        assert "may change the schema too" in role_point(cli)["found"]
        shared_out.psql(shared_out.owner, f"--command=REVOKE CREATE ON {on} FROM doorward")
    shared_out.administer("ALTER ROLE doorward NOINHERIT", "GRANT doorward_owner TO doorward")
    assert "may change the schema too" in role_point(cli)["found"]
    shared_out.administer("REVOKE doorward_owner FROM doorward")
    # Rights that are missing are named, each.
    for right in ("DELETE ON ALL TABLES", "USAGE ON ALL SEQUENCES"):
        shared_out.psql(shared_out.owner, f"--command=REVOKE {right} IN SCHEMA public FROM doorward")
    point = role_point(cli)
    assert point["state"] == "failed"
    missing = point["found"].removeprefix("doorward lacks ").split(", ")
    assert set(missing) >= {*(f"DELETE on {name}" for name in metadata.tables), "USAGE on users_id_seq"}
    assert not any("alembic_version" in each or "UPDATE" in each or "notes" in each for each in missing)
    assert "two-roles.sql" in point["mend"]
    assert "(permission denied for table mailed_codes)" in cli.fails("users", "delete", EMAIL)


def test_a_migration_that_is_due_is_named_and_the_owner_makes_it(
    shared_out: Roles, cli: Cli, tmp_path: Path, smtp: SmtpCatcher
) -> None:
    coming = next_release(tmp_path)
    serving = environment(shared_out.url(), tmp_path / "data", smtp)
    for command in (["serve", "--port", str(free_port())], ["users", "list"]):
        refused = coming.run(serving, *command)
        assert (
            refused.stderr == f"doorward: the schema is {HEAD}, this release works on {NEXT}: run `doorward migrate`\n"
        )
    refused = coming.run(serving, "migrate")
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "the database role may not do so" in refused.stderr
    assert "`doorward migrate` needs DOORWARD_DATABASE_URL with the role that owns the tables" in refused.stderr
    assert coming.run(serving | {"DOORWARD_DATABASE_URL": shared_out.owner}, "migrate").returncode == 0
    # What it has made needs no further grant.
    checked = coming.run(serving, "check", "--json")
    assert '"found":"doorward, which may not change the schema' in checked.stdout
    with psycopg.connect(shared_out.url(), autocommit=True) as connection:
        connection.execute("INSERT INTO gadgets VALUES (1)")


def test_one_role_becomes_two_under_a_running_server_and_a_restore_keeps_them(
    roles: Roles, cli: Cli, tmp_path: Path, clock: FakeClock, smtp: SmtpCatcher
) -> None:
    roles.administer("CREATE ROLE doorward LOGIN", "CREATE DATABASE doorward OWNER doorward")
    migrate(roles.url())
    with running(roles.url(), tmp_path, clock, smtp) as service:
        walk(service, clock, EMAIL)
        roles.administer(statements("CREATE ROLE doorward_owner")[0])
        roles.share_out()
        walk(service, clock, "bob@example.org")
    assert "may not change the schema" in role_point(cli)["found"]
    dump = tmp_path / "doorward.dump"
    roles.run("pg_dump", "--format=custom", f"--file={dump}", roles.owner)
    roles.administer("DROP DATABASE doorward", "CREATE DATABASE doorward OWNER doorward_owner")
    restored = ("--exit-on-error", "--single-transaction", "--no-owner", f"--dbname={roles.owner}")
    roles.run("pg_restore", *restored, str(dump))
    roles.share_out()
    with running(roles.url(), tmp_path, clock, smtp) as service:
        walk(service, clock, "cid@example.org")
    assert "may not change the schema" in role_point(cli)["found"]
