"""The command line of administrators: keys of the API, and events."""

from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from doorward.administration.keys import SCOPES
from doorward.core.clock import SystemClock
from doorward.core.db import Database
from doorward.core.tables import admin_keys
from tests.support.cli import Cli
from tests.support.service import EMAIL


@pytest.fixture
def cli(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Cli:
    return Cli(database_url, tmp_path, monkeypatch, capfd)


def test_a_key_is_shown_once_and_only_its_hash_is_kept(cli: Cli) -> None:
    key = cli.must("admin", "keys", "create", "--name", "helpdesk", "--scope", "users:read").splitlines()[-1]
    assert key.startswith("dwa_")
    assert len(key) == 47
    for shown in (cli.must("admin", "keys", "list"), cli.must("admin", "keys", "list", "--json")):
        assert "helpdesk" in shown
        assert key not in shown
    with closing(Database(cli.url, SystemClock())) as database, database.read() as tx:
        row = tx.execute(sa.select(admin_keys)).one()
    assert key not in str(row)
    assert len(row.secret_hash) == 32


def test_a_key_has_its_scopes_once_in_their_order_and_ninety_days(cli: Cli) -> None:
    scopes = [word for scope in (*reversed(SCOPES), SCOPES[0]) for word in ("--scope", scope)]
    (made,) = cli.run("admin", "keys", "create", "--name", "all", "--json", *scopes).rows
    (shown,) = cli.run("admin", "keys", "list", "--json").rows
    assert made.pop("key").startswith("dwa_")
    assert made == shown
    assert shown["scopes"] == list(SCOPES)
    assert shown["state"] == "good"
    assert shown["lastUsedAt"] is None
    assert shown["expiresAt"] > shown["createdAt"]


def test_the_name_of_a_key_is_never_given_again(cli: Cli) -> None:
    create = ("admin", "keys", "create", "--name", "x", "--scope", "users:read")
    cli.must(*create)
    assert "choose another name" in cli.fails(*create)
    assert "Revoked" in cli.must("admin", "keys", "revoke", "x")
    assert "already" in cli.must("admin", "keys", "revoke", "x")
    assert "choose another name" in cli.fails(*create)
    assert cli.run("admin", "keys", "list", "--json").rows[0]["state"] == "revoked"
    assert "no key 'y'" in cli.fails("admin", "keys", "revoke", "y")


@pytest.mark.parametrize("expires", ["0d", "367d", "90", "d", "-1d", "1w", "99999d", "٣d", "9000h"])
def test_a_life_that_is_none_is_wrong_usage(cli: Cli, expires: str) -> None:
    create = ("admin", "keys", "create", "--name", "x", "--scope", "users:read")
    assert "90d or 12h" in cli.fails(*create, f"--expires={expires}", code=2)


@pytest.mark.parametrize("name", ["", " ", "a b", "-x", "x" * 65, "a\nb", "ä"])
def test_a_name_that_events_could_not_show_is_refused(cli: Cli, name: str) -> None:
    assert "name" in cli.fails("admin", "keys", "create", f"--name={name}", "--scope", "users:read")


def test_events_are_listed_newest_first_by_user_type_and_time(cli: Cli) -> None:
    cli.must("users", "create", EMAIL)
    cli.must("users", "create", "bob@example.org")
    cli.must("users", "disable", EMAIL)
    assert [row["type"] for row in cli.run("events", "list", "--json").rows] == [
        "user.disabled", "user.created", "user.created",
    ]  # fmt: skip
    hers = cli.run("events", "list", "--json", "--user", EMAIL).rows
    assert [(row["type"], row["actor"]) for row in hers] == [
        ("user.disabled", "command line"),
        ("user.created", "command line"),
    ]
    assert len(cli.run("events", "list", "--json", "--type", "user.created", "--limit", "1").rows) == 1
    assert len(cli.run("events", "list", "--json", "--since", "1h").rows) == 3
    assert cli.run("events", "list", "--json", "--since", "2999-01-01").rows == []
    assert "USER" in cli.must("events", "list", "--user", EMAIL).splitlines()[0]
    assert "no user" in cli.fails("events", "list", "--user", "nobody")
    assert "24h" in cli.fails("events", "list", "--since", "soon", code=2)


def test_sessions_end_and_another_address_is_set_with_the_old_one_told(cli: Cli) -> None:
    cli.must("users", "create", EMAIL)
    assert cli.must("users", "end-sessions", EMAIL).endswith(": 0\n")
    assert "new@example.org" in cli.must("users", "set-address", EMAIL, "new@example.org")
    assert cli.run("users", "show", "new@example.org", "--json").rows[0]["username"] == "new@example.org"
    (mail,) = cli.run("mail", "list", "--json").rows
    assert (mail["to"], mail["template"], mail["failedAt"]) == (EMAIL, "address-changed", None)
    assert EMAIL in cli.must("mail", "list")
    assert cli.must("mail", "list", "--failed") == ""
    assert str(mail["id"]) in cli.must("mail", "again", str(mail["id"]))
    assert "MAIL_NOT_FOUND" in cli.fails("mail", "again", "99")
    assert "another user's" in cli.fails("users", "set-address", "new@example.org", _other(cli))


def _other(cli: Cli) -> str:
    cli.must("users", "create", "bob@example.org")
    return "bob@example.org"
