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


# -- the role, reasons, health


def test_the_first_administrator_is_made_on_the_command_line(cli: Cli) -> None:
    cli.must("users", "create", EMAIL)
    granted = cli.must("admin", "grant", EMAIL, "--reason", "the first one")
    assert "is an administrator now" in granted
    assert "no second factor yet" in granted
    assert "already" in cli.must("admin", "grant", EMAIL)
    (row,) = cli.run("admin", "list", "--json").rows
    assert (row["email"], row["secondFactor"], row["state"]) == (EMAIL, False, "enabled")
    assert "SECOND FACTOR" in cli.must("admin", "list")
    assert "no administrator any more" in cli.must("admin", "revoke", EMAIL, "--reason", "left")
    assert "was no administrator" in cli.must("admin", "revoke", EMAIL)
    assert cli.run("admin", "list", "--json").rows == []
    told = [(row["type"], row["actor"], row["reason"]) for row in cli.run("events", "list", "--json").rows]
    assert told[:2] == [
        ("administrator.revoked", "command line", "left"),
        ("administrator.granted", "command line", "the first one"),
    ]
    assert "no user 'nobody'" in cli.fails("admin", "grant", "nobody")
    cli.must("admin", "grant", EMAIL)
    cli.must("users", "delete", EMAIL)
    assert cli.must("admin", "list") == ""


def test_what_is_done_on_the_command_line_says_why(cli: Cli) -> None:
    why = ("--reason", " ticket 4711 ")
    cli.must("users", "create", EMAIL, *why)
    cli.must("users", "set-password", EMAIL, "--password-stdin", *why, stdin="Correct-Horse-1\n")
    cli.must("users", "set-address", EMAIL, "ann@example.net", *why)
    for act in ("disable", "enable", "end-sessions", "reset-2fa", "delete"):
        cli.must("users", act, "ann@example.net", *why)
    cli.must("users", "invite", EMAIL, *why)
    cli.must("users", "invite", EMAIL, "--again", *why)
    cli.must("users", "withdraw", EMAIL, *why)
    cli.must("keys", "rotate", *why)
    cli.must("admin", "keys", "create", "--name", "x", "--scope", "users:read", *why)
    cli.must("admin", "keys", "revoke", "x", *why)
    (mail, *_) = cli.run("mail", "list", "--json").rows
    cli.must("mail", "again", str(mail["id"]), *why)
    rows = cli.run("events", "list", "--json").rows
    assert len(rows) == 15  # one less than acts: there was no session to end
    assert {(row["actor"], row["reason"]) for row in rows} == {("command line", "ticket 4711")}
    for reason in ("", " ", "a\nb", "x" * 501):
        assert "in one line" in cli.fails("users", "create", "x@example.org", f"--reason={reason}", code=2)


def test_health_and_what_keeps_a_user_out_are_told_in_words_and_as_json(cli: Cli) -> None:
    cli.must("users", "create", EMAIL)
    cli.must("users", "disable", EMAIL)
    shown = cli.must("users", "show", EMAIL)
    assert "x The account is disabled since 2" in shown
    assert "x No password yet, and no code to set one" in shown
    (account,) = cli.run("users", "show", EMAIL, "--json").rows
    assert [each["tone"] for each in account["standing"]] == ["bad", "bad", "plain"]
    assert account["standing"][0]["at"] == account["disabledAt"]
    (health,) = cli.run("admin", "health", "--json", "--period", "week").rows
    assert len(health["steps"]) == 28
    assert health["steps"][0]["refusedPasswords"] == 0
    assert health["mailsWaiting"] == 0
    table = cli.must("admin", "health")
    assert table.startswith("FROM")
    assert "REFUSED PASSWORDS" in table


def test_users_are_listed_by_the_beginning_of_a_name(cli: Cli) -> None:
    for name in ("ann@example.org", "anna@example.org", "bob@example.org"):
        cli.must("users", "create", name)
    found = cli.run("users", "list", "--json", "--prefix", "ANN").rows
    assert [row["email"] for row in found] == ["ann@example.org", "anna@example.org"]
    assert len(cli.run("users", "list", "--json", "--prefix", "ann", "--limit", "1").rows) == 1
    assert cli.must("users", "list", "--prefix", "zzz") == ""
