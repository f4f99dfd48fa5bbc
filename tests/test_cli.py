"""The command line: users, keys, mail, migrations, settings, and how it fails."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from doorward.cli.main import COMMANDS
from doorward.cli.serve import shows_inbox
from doorward.core.clock import SystemClock
from doorward.core.db import Database
from doorward.core.migrate import HEAD
from doorward.settings import Settings, reference
from tests.support.cli import SECRET_KEY, Cli
from tests.support.databases import copied_sqlite
from tests.support.servers import free_port
from tests.support.service import EMAIL, PASSWORD, Service
from tests.support.smtp import SmtpCatcher

PROGRAM = Path(sys.executable).with_name("doorward")


@pytest.fixture
def cli(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Cli:
    return Cli(database_url, tmp_path, monkeypatch, capfd)


@pytest.fixture
def both(cli: Cli, start: Callable[..., Service], monkeypatch: pytest.MonkeyPatch) -> tuple[Cli, Service]:
    """The command line, and the service over the same database and clock."""
    service = start(secret_key=SECRET_KEY)
    monkeypatch.setattr("doorward.app.SystemClock", lambda: service.clock)
    return cli, service


# --- users -----------------------------------------------------------------------------------------------------------


def test_a_created_user_logs_in_and_the_id_is_the_last_word(both: tuple[Cli, Service]) -> None:
    cli, service = both
    line = cli.must("users", "create", EMAIL, "--username", "ann", "--password-stdin", stdin=PASSWORD + "\n")
    assert line.count("\n") == 1
    shown = cli.run("users", "show", "ann", "--json").rows[0]
    assert int(line.split()[-1]) == shown["id"]
    assert service.login("ann")
    assert service.login(EMAIL)


def test_a_user_without_a_password_is_told_how_to_get_one(cli: Cli) -> None:
    line = cli.must("users", "create", EMAIL)
    assert "set-password" in line
    assert line.split()[-1].isdigit()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["not an address"], "Invalid email address"),
        (["b@example.org", "--username", "two words"], "Invalid username"),
        ([EMAIL.upper()], "'ANN@EXAMPLE.ORG' is another user's"),
        (["b@example.org", "--username", EMAIL], f"'{EMAIL}' is another user's"),
        ([EMAIL, "--username", "bob"], f"'{EMAIL}' is another user's"),
        (["b@example.org", "--username", "Ann"], "'Ann' is another user's"),
    ],
)
def test_a_name_that_fails_leaves_nothing_behind(cli: Cli, arguments: list[str], says: str) -> None:
    cli.must("users", "create", EMAIL, "--username", "ann")
    assert says in cli.fails("users", "create", *arguments)
    assert len(cli.run("users", "list", "--json").rows) == 1


@pytest.mark.parametrize(
    ("typed", "says"),
    [("weak", "uppercase"), ("", "Password must contain"), (b"\xff\xfe\n", "UTF-8")],
)
def test_a_bad_password_makes_no_user(cli: Cli, typed: str | bytes, says: str) -> None:
    assert says in cli.fails("users", "create", EMAIL, "--password-stdin", stdin=typed)
    assert cli.run("users", "list", "--json").rows == []


def test_only_the_end_of_the_line_is_not_the_passwords(both: tuple[Cli, Service]) -> None:
    cli, service = both
    cli.must("users", "create", EMAIL, "--password-stdin", stdin=f" {PASSWORD} \r\nanother line")
    assert service.login(password=f" {PASSWORD} ")


@pytest.mark.parametrize("command", ["show", "disable", "enable", "delete", "reset-2fa", "end-waits"])
def test_an_unknown_user_is_named(cli: Cli, command: str) -> None:
    why = () if command == "show" else ("--reason", "ticket 4711")
    assert "there is no user 'nobody'" in cli.fails("users", command, "nobody", *why)


def test_show_tells_all_but_the_secrets(both: tuple[Cli, Service]) -> None:
    cli, service = both
    service.add_user()
    service.enable_totp(service.access(service.login()))
    shown = cli.run("users", "show", EMAIL, "--json")
    account = shown.rows[0]
    assert account["passwordScheme"] == "argon2id"
    assert account["totpAt"].endswith("Z")
    assert account["emailOtpAt"] is None
    assert account["recoveryCodesLeft"] == 10
    assert [event["type"] for event in account["events"]][-1] == "user.created"
    text = cli.must("users", "show", EMAIL)
    for printed in (shown.out, text):
        assert "$argon2" not in printed
    assert "10 left" in text


def test_show_counts_living_sessions_and_shows_ten_events(both: tuple[Cli, Service]) -> None:
    cli, service = both
    service.add_user()
    refresh = service.login()
    service.clock.advance(3600)
    for _ in range(11):
        service.login()
    service.call("POST", "/auth/logout", refresh)
    account = cli.run("users", "show", EMAIL, "--json").rows[0]
    assert [event["type"] for event in account["events"]] == ["session.ended"] + ["login.succeeded"] * 9
    assert account["sessions"] == 11
    assert "11" in cli.must("users", "show", EMAIL)
    service.clock.advance(7200)
    assert cli.run("users", "show", EMAIL, "--json", session_idle_limit="3600").rows[0]["sessions"] == 0
    service.clock.advance(14 * 86400)
    assert cli.run("users", "show", EMAIL, "--json").rows[0]["sessions"] == 0


def test_list_pages_by_id(cli: Cli) -> None:
    ids = [int(cli.must("users", "create", f"u{number}@example.org").split()[-1]) for number in range(5)]
    listed = cli.run("users", "list", "--json", "--after", str(ids[1]), "--limit", "2").rows
    assert [user["id"] for user in listed] == ids[2:4]
    table = cli.must("users", "list").splitlines()
    assert table[0].split() == ["ID", "USERNAME", "EMAIL", "STATE", "CREATED"]
    assert len(table) == 6


def test_an_empty_list_says_so_to_people_and_what_makes_the_first(cli: Cli) -> None:
    cli.must("migrate")
    for command, says in {
        "users list": "there are no users yet: `doorward users create EMAIL` makes the first",
        "users list --after 7": "no user has a higher id than 7",
        "users list --prefix Zoë": "no username or address begins with 'Zoë'",
        "admin list": "nobody is an administrator yet: `doorward admin grant NAME` makes a user the first",
        "admin keys list": "there are no keys yet: `doorward admin keys create` makes the first",
        "mail list": "no mail waits",
        "mail list --failed": "no mail was given up in the last week",
        "events list": "nothing has happened yet",
        "events list --since 1h": "there is no such event",
    }.items():
        done = cli.run(*command.split())
        assert (done.code, done.out, done.err) == (0, "", f"doorward: {says}\n")
        done = cli.run(*command.split(), "--json")
        assert (done.code, done.out, done.err) == (0, "", "")


def test_a_list_goes_on_over_its_pages(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("doorward.cli.paging.PAGE", 2)
    for number in range(5):
        cli.must("users", "create", f"u{number}@example.org")
    assert len(cli.run("users", "list", "--json").rows) == 5
    assert len(cli.run("users", "list", "--json", "--limit", "3").rows) == 3


def test_a_disabled_user_is_out_until_enabled(both: tuple[Cli, Service]) -> None:
    cli, service = both
    service.add_user()
    refresh = service.login()
    assert "Disabled user" in cli.must("users", "disable", EMAIL)
    assert "already" in cli.must("users", "disable", EMAIL)
    assert service.call("GET", "/auth/accesstoken", refresh).json()["message"] == "TOKEN_REVOKED"
    assert cli.run("users", "list", "--json").rows[0]["disabled"] is True
    assert "Enabled user" in cli.must("users", "enable", EMAIL)
    assert "was not disabled" in cli.must("users", "enable", EMAIL)
    assert service.login()


def test_delete_says_whom_it_deleted(cli: Cli) -> None:
    new_id = cli.must("users", "create", EMAIL, "--username", "ann").split()[-1]
    assert f"user {new_id}, ann ({EMAIL})" in cli.must("users", "delete", EMAIL)
    cli.fails("users", "show", EMAIL)
    # The name is free again, for another user.
    assert cli.must("users", "create", EMAIL).split()[-1] != new_id


def test_reset_2fa_lets_the_password_suffice_and_tells_the_user(both: tuple[Cli, Service]) -> None:
    cli, service = both
    service.add_user()
    service.enable_totp(service.access(service.login()))
    service.deliver()
    service.smtp.clear()
    assert "(totp)" in cli.must("users", "reset-2fa", EMAIL)
    assert service.access(service.login())
    service.deliver()
    assert len(service.smtp.mails) == 2
    assert "none was active" in cli.must("users", "reset-2fa", EMAIL)


def test_a_set_password_ends_the_sessions_and_tells_the_user(both: tuple[Cli, Service]) -> None:
    cli, service = both
    service.add_user()
    refresh = service.login()
    assert "uppercase" in cli.fails("users", "set-password", EMAIL, "--password-stdin", stdin="weak\n")
    cli.must("users", "set-password", EMAIL, "--password-stdin", stdin="Another-Horse-2\n")
    assert service.call("GET", "/auth/accesstoken", refresh).json()["message"] == "TOKEN_REVOKED"
    assert service.login(password="Another-Horse-2")
    service.deliver()
    assert [mail.recipients for mail in service.smtp.mails] == [(EMAIL,)]


def test_an_invitation_sets_the_first_password(both: tuple[Cli, Service]) -> None:
    cli, service = both
    line = cli.must("users", "invite", EMAIL, "--username", "ann", "--language", "nl")
    assert line.split()[-1].isdigit()
    code = service.mailed_code(EMAIL)
    assert "7 dagen" in service.smtp.messages[-1].as_string().replace("=\n", "")
    service.clock.advance(6 * 86400)
    chosen = {"userEmail": EMAIL, "otp": code, "newPassword": PASSWORD}
    assert service.call("PUT", "/user/password/otp", json=chosen).status_code == 204
    assert service.login("ann")
    assert service.call("PUT", "/user/password/otp", json=chosen).status_code == 401


def test_an_invitations_code_ends_after_a_week(both: tuple[Cli, Service]) -> None:
    cli, service = both
    cli.must("users", "invite", EMAIL)
    chosen = {"userEmail": EMAIL, "otp": service.mailed_code(EMAIL), "newPassword": PASSWORD}
    service.clock.advance(7 * 86400)
    assert service.call("PUT", "/user/password/otp", json=chosen).status_code == 401


def test_a_reset_code_takes_the_place_of_the_invitations(both: tuple[Cli, Service]) -> None:
    cli, service = both
    cli.must("users", "invite", EMAIL)
    first = service.mailed_code(EMAIL)
    service.call("POST", "/user/password/reset/send", json={"email": EMAIL})
    second = service.mailed_code(EMAIL)
    if first != second:
        stale = {"userEmail": EMAIL, "otp": first, "newPassword": PASSWORD}
        assert service.call("PUT", "/user/password/otp", json=stale).status_code == 401
    chosen = {"userEmail": EMAIL, "otp": second, "newPassword": PASSWORD}
    assert service.call("PUT", "/user/password/otp", json=chosen).status_code == 204


def test_an_invitation_that_is_refused_makes_no_user(cli: Cli) -> None:
    assert "FORBIDDEN_MAIL_PROVIDER" in cli.fails("users", "invite", EMAIL, blocked_mail_domains="example.org")
    assert "Invalid email address" in cli.fails("users", "invite", "nobody")
    assert cli.run("users", "list", "--json").rows == []


def test_an_invitation_that_is_sent_again_has_a_new_code_and_a_new_week(both: tuple[Cli, Service]) -> None:
    cli, service = both
    invited = cli.must("users", "invite", EMAIL, "--username", "ann").split()[-1]
    first = service.mailed_code(EMAIL)
    chosen = {"userEmail": EMAIL, "otp": "x" * 6, "newPassword": PASSWORD}
    for _ in range(5):
        assert service.call("PUT", "/user/password/otp", json=chosen).status_code == 401
    service.clock.advance(6 * 86400)
    assert cli.must("users", "invite", "ann", "--again", "--language", "pl").split()[-1] == invited
    second = service.mailed_code(EMAIL)
    assert service.smtp.messages[-1]["Content-Language"] == "pl"
    service.clock.advance(6 * 86400)
    if first != second:
        assert service.call("PUT", "/user/password/otp", json=chosen | {"otp": first}).status_code == 401
    assert service.call("PUT", "/user/password/otp", json=chosen | {"otp": second}).status_code == 204
    assert service.login("ann")


def test_an_invitations_language_stays_the_users_own(both: tuple[Cli, Service]) -> None:
    cli, service = both
    cli.must("users", "invite", EMAIL, "--language", "pl")
    assert cli.run("users", "show", EMAIL, "--json").rows[0]["language"] == "pl"
    chosen = {"userEmail": EMAIL, "otp": service.mailed_code(EMAIL), "newPassword": PASSWORD}
    assert service.call("PUT", "/user/password/otp", json=chosen, headers={"Accept-Language": "sv"}).status_code == 204
    service.deliver()
    assert service.smtp.messages[-1]["Content-Language"] == "pl"
    for path, language in (("", "pl"), ("?language=it", "it"), ("?language=xx", "pl")):
        service.clock.advance(60)
        body = {"email": EMAIL}
        service.call("POST", f"/user/password/reset/send{path}", json=body, headers={"Accept-Language": "sv"})
        service.deliver()
        assert service.smtp.messages[-1]["Content-Language"] == language


def test_a_withdrawn_invitation_leaves_no_way_in(both: tuple[Cli, Service]) -> None:
    cli, service = both
    cli.must("users", "invite", EMAIL)
    chosen = {"userEmail": EMAIL, "otp": service.mailed_code(EMAIL), "newPassword": PASSWORD}
    assert "the account is deleted" in cli.must("users", "withdraw", EMAIL)
    assert service.call("PUT", "/user/password/otp", json=chosen).status_code == 401
    assert cli.run("users", "list", "--json").rows == []
    mails = len(service.smtp.mails)
    service.call("POST", "/user/password/reset/send", json={"email": EMAIL})
    service.deliver()
    assert len(service.smtp.mails) == mails
    assert cli.must("users", "invite", EMAIL)


@pytest.mark.parametrize("command", [["invite", EMAIL, "--again"], ["withdraw", EMAIL]])
def test_an_invitation_is_over_once_there_is_a_password(both: tuple[Cli, Service], command: list[str]) -> None:
    cli, service = both
    assert "there is no user" in cli.fails("users", *command)
    cli.must("users", "invite", EMAIL)
    chosen = {"userEmail": EMAIL, "otp": service.mailed_code(EMAIL), "newPassword": PASSWORD}
    assert service.call("PUT", "/user/password/otp", json=chosen).status_code == 204
    assert "the invitation is over" in cli.fails("users", *command)
    assert service.login()


def test_a_command_that_makes_a_database_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "elsewhere.db"
    cli = Cli(f"sqlite:///{file}", tmp_path, monkeypatch, capfd)
    done = cli.run("users", "create", EMAIL)
    assert (done.code, done.out.split()[-1]) == (0, "1")
    assert f"made a new database, {file}: if there is one already, name it" in done.err
    assert cli.run("users", "list", "--json").err == ""


def test_a_command_that_works_on_what_is_there_makes_no_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    cli = Cli("", tmp_path, monkeypatch, capfd)
    said = f"there is no database at {cli.folder / 'data' / 'doorward.db'}: name yours by `--config`"
    for command in (
        *("users list", "users list --json", "users show ann", f"users invite {EMAIL} --again"),
        *("users disable ann", "users end-waits ann --reason x"),
        *("admin list", "admin health", "admin grant ann", "admin keys list", "admin keys revoke x"),
        *("events list --json", "events verify", "events erase 1", "keys list", "keys rotate", "keys reseal"),
        *("mail list", "mail again 1"),
    ):
        line = cli.fails(*command.split(), secret_key="")
        assert said in line, command
        assert "`doorward serve`" in line
    assert "no mail server is set, and there is no data folder" in cli.fails("mail", "test", EMAIL)
    assert not list(tmp_path.iterdir())


def test_a_worker_makes_nothing(tmp_path: Path) -> None:
    data = tmp_path / "data"
    environ = os.environ | {"DOORWARD_DATA_DIR": str(data)}
    done = subprocess.run([PROGRAM, "worker"], env=environ, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert f"there is no database at {data / 'doorward.db'}" in done.stderr
    assert not data.exists()


def test_a_command_that_works_on_what_is_there_makes_no_data_folder(cli: Cli, smtp: SmtpCatcher) -> None:
    cli.must("keys", "list")
    cli.must("mail", "test", EMAIL, smtp_url=smtp.url)
    for command in ("users list", "keys rotate", "events verify"):
        assert "there is no secret key: set DOORWARD_SECRET_KEY" in cli.fails(*command.split(), secret_key="")
    assert not list(cli.folder.iterdir())


# --- keys ------------------------------------------------------------------------------------------------------------


def test_a_rotated_key_waits_until_everybody_has_it(cli: Cli) -> None:
    (first,) = cli.run("keys", "list", "--json").rows
    assert first["state"] == "signing"
    said = cli.must("keys", "rotate")
    old, new = cli.run("keys", "list", "--json").rows
    assert (old["kid"], old["state"], new["state"]) == (first["kid"], "signing", "waiting")
    assert new["kid"] in said
    assert new["signsFrom"] in said
    assert "in 7 minutes" in said
    assert "SIGNS FROM" in cli.must("keys", "list")


def test_another_secret_key_is_refused_in_words(cli: Cli) -> None:
    cli.must("keys", "list")
    assert "can't be opened" in cli.fails("keys", "list", secret_key="another-secret-key-for-tests-of-32-signs")


def test_a_key_that_is_lost_is_told_and_no_other_is_made(cli: Cli) -> None:
    folder = cli.folder / "data"
    cli.must("migrate")
    cli.must("users", "create", EMAIL, secret_key="")
    kept = (folder / "secret.key").rename(cli.folder / "kept.key")
    for command in (["keys", "list"], ["users", "create", "bob@example.org"], ["serve"]):
        assert "put it back from its back-up" in cli.fails(*command, secret_key="")
    assert not (folder / "secret.key").exists()
    (folder / "secret.key").write_text("")
    for command in (["users", "create", EMAIL], ["keys", "list"]):
        assert "secret.key holds no secret key" in cli.fails(*command, secret_key="")
    kept.rename(folder / "secret.key")
    cli.must("keys", "list", secret_key="")


def test_beside_a_newer_releases_database_no_key_is_made(cli: Cli) -> None:
    cli.must("migrate")
    with closing(Database(cli.url, SystemClock())) as database, database.write() as tx:
        # It may keep its keys elsewhere.
        tx.execute(sa.text("DROP TABLE signing_keys"))
        tx.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    assert "upgrade Doorward" in cli.fails("users", "create", EMAIL, secret_key="")
    assert not list(cli.folder.rglob("secret.key"))


# --- migrate ---------------------------------------------------------------------------------------------------------


def test_migrate_check_names_both_versions(cli: Cli, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    assert HEAD in cli.must("migrate", "--check")
    if cli.url.startswith("sqlite"):
        empty = f"sqlite:///{tmp_path / 'empty.db'}"
    else:
        server = request.getfixturevalue("postgres")
        empty = server.create_database(f"empty_{os.getpid()}")
        request.addfinalizer(lambda: server.drop_database(f"empty_{os.getpid()}"))
    said = cli.run("migrate", "--check", database_url=empty)
    assert (said.code, said.err) == (3, "")
    assert "The database is empty" in said.out
    assert HEAD in said.out
    assert not (tmp_path / "empty.db").exists()
    cli.must("migrate", database_url=empty)
    cli.must("migrate", "--check", database_url=empty)
    cli.must("migrate", database_url=empty)


def test_a_schema_of_a_newer_release_is_refused(cli: Cli) -> None:
    import sqlalchemy as sa  # noqa: PLC0415

    from doorward.core.clock import SystemClock  # noqa: PLC0415
    from doorward.core.db import Database  # noqa: PLC0415

    database = Database(cli.url, SystemClock())
    with database.write() as tx:
        tx.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    database.close()
    for command in (["migrate"], ["migrate", "--check"], ["users", "list"]):
        found = f"newer release (9999, which takes releases of 9999 and later; this one is of {HEAD})"
        assert found in cli.fails(*command)


# --- mail ------------------------------------------------------------------------------------------------------------


def test_mail_test_sends_what_the_worker_would(cli: Cli, smtp: SmtpCatcher) -> None:
    said = cli.must("mail", "test", EMAIL, "--language", "de", smtp_url=smtp.url, mail_sender="no-reply@example.org")
    (mail,) = smtp.mails
    assert mail.recipients == (EMAIL,)
    assert mail.message["Content-Language"] == "de"
    assert mail.message["Auto-Submitted"] == "auto-generated"
    assert str(mail.message["Message-ID"]) in said


def test_mail_test_repeats_what_the_server_says(cli: Cli, smtp: SmtpCatcher) -> None:
    smtp.refuse("550 5.1.1 No such person", at="RCPT")
    assert "for good: 550 5.1.1 No such person" in cli.fails("mail", "test", EMAIL, smtp_url=smtp.url)
    smtp.refuse("451 4.7.1 Later", at="DATA")
    assert "451 4.7.1 Later" in cli.fails("mail", "test", EMAIL, smtp_url=smtp.url)
    smtp.stop()
    said = cli.fails("mail", "test", EMAIL, smtp_url=smtp.url.replace("//", "//user:Se-cret-1@"))
    assert "Connection refused" in said
    assert "Se-cret-1" not in said


def test_without_a_mail_server_the_test_goes_to_the_inbox(cli: Cli) -> None:
    (cli.folder / "data").mkdir()
    assert "development inbox" in cli.must("mail", "test", EMAIL)
    assert len(list((cli.folder / "data" / "inbox").glob("*.eml"))) == 1
    assert "Invalid email address" in cli.fails("mail", "test", "nobody")


# --- settings --------------------------------------------------------------------------------------------------------


def test_settings_hide_secrets(cli: Cli) -> None:
    hidden = {"smtp_url": "smtps://user:Se-cret-1@mail.example.org", "secret_key": "Se-cret-1" * 5}
    for arguments in (["settings"], ["settings", "--json"]):
        said = cli.must(*arguments, **hidden)
        assert "Se-cret-1" not in said
        assert "(hidden)" in said
        assert "mail.example.org" in said


def test_the_reference_needs_no_settings_that_can_be_read(cli: Cli) -> None:
    assert cli.must("settings", "--reference", smtp_url="nonsense").rstrip("\n") == reference()


# --- usage and failures ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", list(COMMANDS))
def test_every_command_has_help(cli: Cli, command: str) -> None:
    assert "usage: doorward" in cli.must(command, "--help")


@pytest.mark.parametrize("arguments", [["users", "show"], ["keys", "rotate"], ["mail", "test"], ["backup"]])
def test_every_commands_help_says_what_it_does_and_shows_an_example(cli: Cli, arguments: list[str]) -> None:
    said = cli.must(*arguments, "--help")
    assert re.search(r"^[A-Z].*\.$", said, re.MULTILINE)
    assert "examples:\n  " in said


@pytest.mark.parametrize(
    "arguments", [["create"], ["invite"], ["import"], ["list"], ["show"], ["delete"], ["set-password"]]
)
def test_every_command_of_users_has_examples(cli: Cli, arguments: list[str]) -> None:
    assert "examples:\n  " in cli.must("users", *arguments, "--help")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["serv"], "did you mean `serve`?"),
        (["users", "shwo", "ann"], "did you mean `show`?"),
        (["users", "list", "--limit", "0"], "not a whole number"),
        (["users", "list", "--after", "9" * 30], "not a whole number"),
        (["serve", "--port", "70000"], "not a whole number from 1 to 65535"),
        (["users", "show", "\udcff"], "not valid UTF-8"),
        (["users", "set-password", "ann"], "--password-stdin"),
        (["users", "list", "--jsn"], "--jsn"),
        ([], "COMMAND"),
    ],
)
def test_wrong_usage_ends_with_2_and_one_line(cli: Cli, arguments: list[str], says: str) -> None:
    assert says in cli.fails(*arguments, code=2)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"smpt_url": "smtp://localhost"}, "did you mean `smtp_url`?"),
        ({"token_algorithm": "HS256"}, "is not one of EdDSA"),
        ({"brands_file": "/nonexistent.toml"}, "cannot be read"),
        ({"mail_sender": "nobody"}, "is not an address"),
    ],
)
def test_a_wrong_setting_ends_with_2(cli: Cli, settings: dict[str, str], says: str) -> None:
    assert says in cli.fails("users", "list", code=2, **settings)


def test_a_server_that_a_wrong_setting_keeps_from_starting_ends_with_2(cli: Cli) -> None:
    """So a supervisor knows that starting again won't help."""
    brands = cli.folder / "brands.toml"
    brands.write_text('[default]\nnam = "Example"\n')
    environ = os.environ | cli.environ | {"DOORWARD_BRANDS_FILE": str(brands)}
    command = [str(PROGRAM), "serve", "--port", str(free_port())]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "did you mean 'name'?" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "mend"),
    [(["--host", "192.0.2.7"], "with --host"), (["--host", "no.such.host.invalid"], "with --host")],
)
def test_an_address_of_another_machine_cannot_be_listened_at(cli: Cli, arguments: list[str], mend: str) -> None:
    assert mend in cli.fails("serve", *arguments)


@pytest.mark.parametrize(
    ("host", "public_url", "smtp_url", "shown"),
    [
        ("127.0.0.1", "http://localhost:8000", "", True),
        ("127.0.0.1", "https://auth.example.org", "", False),
        ("192.0.2.1", "http://localhost:8000", "", False),
        ("127.0.0.1", "http://localhost:8000", "smtp://localhost", False),
    ],
)
def test_caught_mails_are_shown_where_nobody_else_can_come(
    host: str,
    public_url: str,
    smtp_url: str,
    shown: bool,  # noqa: FBT001
) -> None:
    """A proxy on the machine may make every stranger look like the machine itself."""
    assert shows_inbox(Settings(public_url=public_url, smtp_url=smtp_url), host) is shown


def test_a_config_file_may_be_named_before_or_behind_the_command(cli: Cli, tmp_path: Path) -> None:
    config = tmp_path / "doorward.toml"
    config.write_text('issuer_name = "From the file"\n')
    assert "From the file" in cli.must("--config", str(config), "settings")
    assert "From the file" in cli.must("settings", "--config", str(config))
    assert "No such file" in cli.fails("settings", "--config", "/nonexistent.toml", code=2)


def test_a_database_that_is_away_is_told_in_one_line(cli: Cli) -> None:
    away = "postgresql://doorward:Se-cret-1@127.0.0.1:1/doorward"
    said = cli.fails("users", "list", database_url=away)
    assert "the database can't be reached (" in said
    assert "refused" in said
    assert "Se-cret-1" not in said
    assert "unable to open" in cli.fails("users", "create", EMAIL, database_url="sqlite:////nonexistent/x.db")


def test_a_reader_that_has_seen_enough_makes_no_traceback(cli: Cli) -> None:
    for number in range(3):
        cli.must("users", "create", f"u{number}@example.org")
    with subprocess.Popen(
        [PROGRAM, "users", "list", "--json"],
        env=os.environ | cli.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_help_loads_neither_the_database_nor_the_server() -> None:
    script = (
        "import sys\nfrom doorward.cli.main import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print([name for name in ('sqlalchemy', 'falcon', 'granian', 'nacl', 'jinja2') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_first_command_on_a_new_machine_makes_its_own_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], sqlite_template: Path
) -> None:
    with copied_sqlite(sqlite_template) as url:
        cli = Cli(url, tmp_path, monkeypatch, capfd)
        assert cli.must("users", "create", EMAIL, database_url="", secret_key="").split()[-1] == "1"
        # What a URL would read otherwise is part of the name.
        odd = tmp_path / "50%41?a#b"
        cli.must("users", "create", EMAIL, database_url="", secret_key="", data_dir=str(odd))
    key = tmp_path / "data" / "secret.key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert {path.name for path in odd.iterdir()} == {"doorward.db", "secret.key"}


def test_a_start_that_can_have_no_folder_or_no_key_says_so_and_makes_no_schema(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    cli = Cli("", tmp_path, monkeypatch, capfd)
    (tmp_path / "file").touch()
    for name, said in (("file", "is no folder"), ("file/inner", "Not a directory")):
        line = cli.fails("users", "create", EMAIL, data_dir=str(tmp_path / name))
        assert f"{said}: set DOORWARD_DATA_DIR" in line
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "secret.key").touch()
    assert "holds no secret key" in cli.fails("users", "create", EMAIL, secret_key="")
    assert "The database is empty" in cli.run("migrate", "--check").out
