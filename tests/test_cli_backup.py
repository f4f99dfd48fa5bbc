"""`doorward backup` and `doorward restore`, and `doorward dev`."""

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest

from doorward.cli.dev import EMAIL, FILE
from tests.support.cli import Cli
from tests.support.servers import free_port
from tests.support.service import CHEAP

PROGRAM = Path(sys.executable).with_name("doorward")


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Cli:
    return Cli("", tmp_path, monkeypatch, capfd)


@contextmanager
def in_use(cli: Cli) -> Iterator[sqlite3.Connection]:
    """The database as a server has it open: idle, after a read."""
    with closing(sqlite3.connect(cli.folder / "data" / "doorward.db")) as connection:
        connection.execute("SELECT count(*) FROM users").fetchone()
        yield connection


def emails(cli: Cli) -> list[str]:
    return [user["email"] for user in cli.run("users", "list", "--json").rows]


def test_a_copy_made_in_use_brings_back_what_was_there(cli: Cli) -> None:
    copy = cli.folder / "copy?#%.db"
    cli.must("users", "create", "before@example.org")
    with in_use(cli) as connection:
        connection.execute("BEGIN IMMEDIATE")  # a writer in the middle of its work
        done = cli.run("backup", str(copy))
        connection.rollback()
    assert done.code == 0
    assert "DOORWARD_SECRET_KEY" in done.err
    assert copy.stat().st_mode & 0o777 == 0o600
    cli.must("users", "create", "after@example.org")
    assert "is there already" in cli.fails("restore", str(copy))
    assert len(emails(cli)) == 2
    cli.must("restore", str(copy), "--force")
    assert emails(cli) == ["before@example.org"]
    assert sorted(path.name for path in cli.folder.iterdir()) == [copy.name, "data"]


def test_a_database_in_use_is_not_replaced(cli: Cli) -> None:
    copy = cli.folder / "copy.db"
    cli.must("users", "create", "before@example.org")
    cli.must("backup", str(copy))
    cli.must("users", "create", "after@example.org")
    with in_use(cli):
        assert "is in use: stop the service first" in cli.fails("restore", str(copy), "--force")
    assert len(emails(cli)) == 2


def test_a_copy_comes_to_a_new_machine(cli: Cli) -> None:
    copy = cli.folder / "copy.db"
    cli.must("users", "create", "before@example.org")
    cli.must("backup", str(copy))
    elsewhere = str(cli.folder / "elsewhere")
    cli.must("restore", str(copy), data_dir=elsewhere)
    assert "before@example.org" in cli.must("users", "list", data_dir=elsewhere)


def test_newest_changes_of_an_older_file_do_not_reach_a_restored_one(cli: Cli) -> None:
    copy, database = cli.folder / "copy.db", cli.folder / "data" / "doorward.db"
    cli.must("users", "create", "before@example.org")
    cli.must("backup", str(copy))
    with in_use(cli) as connection:
        connection.execute("DELETE FROM users")
        connection.commit()
        log = database.with_name("doorward.db-wal").read_bytes()
    database.unlink()
    database.with_name("doorward.db-wal").write_bytes(log)
    cli.must("restore", str(copy))
    assert emails(cli) == ["before@example.org"]


@pytest.mark.parametrize("content", [b"", b"not a database at all" * 100])
def test_what_is_no_back_up_changes_nothing(cli: Cli, content: bytes) -> None:
    wrong = cli.folder / "wrong.db"
    wrong.write_bytes(content)
    cli.must("users", "create", "before@example.org")
    assert "nothing was changed" in cli.fails("restore", str(wrong), "--force")
    assert "No such file" in cli.fails("restore", str(cli.folder / "missing.db"), "--force")
    assert emails(cli) == ["before@example.org"]


def test_a_copy_goes_to_standard_output(cli: Cli) -> None:
    cli.must("users", "create", "before@example.org")
    environ = os.environ | cli.environ
    done = subprocess.run([PROGRAM, "backup", "-"], env=environ, capture_output=True, check=True)
    (cli.folder / "copy.db").write_bytes(done.stdout)
    cli.must("restore", str(cli.folder / "copy.db"), "--force")
    assert emails(cli) == ["before@example.org"]
    assert not list(cli.folder.rglob(".backup-*"))


def test_a_copy_is_restored_from_standard_input(cli: Cli) -> None:
    cli.must("users", "create", "before@example.org")
    cli.must("backup", str(cli.folder / "copy.db"))
    cli.must("users", "create", "after@example.org")
    kept = (cli.folder / "copy.db").read_bytes()
    assert "is no back-up of Doorward" in cli.fails("restore", "-", "--force", stdin=kept[:50])
    assert emails(cli) == ["before@example.org", "after@example.org"]
    assert "from standard input" in cli.must("restore", "-", "--force", stdin=kept)
    assert emails(cli) == ["before@example.org"]
    assert not list((cli.folder / "data").glob(".restore-*"))


def test_nothing_to_copy_is_told(cli: Cli) -> None:
    assert "there is no database at" in cli.fails("backup", str(cli.folder / "copy.db"))
    assert not (cli.folder / "data").exists()


def test_a_copy_that_cannot_be_written_is_told(cli: Cli) -> None:
    cli.must("users", "create", "before@example.org")
    assert "No such file" in cli.fails("backup", "/nonexistent/copy.db")


@pytest.mark.parametrize(("command", "tool"), [("backup", "pg_dump"), ("restore", "pg_restore")])
def test_postgresql_has_its_own_tool(cli: Cli, command: str, tool: str) -> None:
    said = cli.fails(command, "x.db", database_url="postgresql://doorward:Se-cret-1@localhost/doorward")
    assert tool in said
    assert "Se-cret-1" not in said


# --- dev -------------------------------------------------------------------------------------------------------------


@contextmanager
def dev(folder: Path, port: int, **settings: str) -> Iterator[str]:
    """What it prints until it serves, in a folder of its own."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("DOORWARD_")}
    environ |= CHEAP | {f"DOORWARD_{name.upper()}": value for name, value in settings.items()}
    log = folder / "log"
    with (
        log.open("wb") as out,
        subprocess.Popen(
            [PROGRAM, "dev", "--port", str(port)], cwd=folder, env=environ, stdout=out, stderr=out
        ) as process,
    ):
        try:
            deadline = time.monotonic() + 30
            while "listens at" not in log.read_text():
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.05)
            yield log.read_text()
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def test_the_three_lines_that_dev_prints_log_in(tmp_path: Path) -> None:
    port = free_port()
    with dev(tmp_path, port) as said:
        assert "NOT FOR PRODUCTION" in said
        lines = re.findall(r"^  ((?:REFRESH|ACCESS)=.*|curl .*)$", said, re.MULTILINE)
        assert len(lines) == 3
        done = subprocess.run(["/bin/sh", "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
        assert json.loads(done.stdout) == {"enabled": False}
        for address in re.findall(r"http://\S+(?:/docs|/dev/inbox)", said):
            assert httpx.get(address).status_code == 200, address
    kept = tmp_path / ".doorward" / FILE
    assert kept.stat().st_mode & 0o777 == 0o600
    password = json.loads(kept.read_text())["password"]
    with dev(tmp_path, port) as again:
        assert f"{EMAIL}, password {password}" in again


def test_dev_says_when_the_password_is_the_persons_own(tmp_path: Path, cli: Cli) -> None:
    port = free_port()
    with dev(tmp_path, port):
        pass
    data = {"data_dir": str(tmp_path / ".doorward"), "secret_key": (tmp_path / ".doorward/secret.key").read_text()}
    cli.must("users", "set-password", EMAIL, "--password-stdin", stdin="My-Own-Pass-1\n", **data)
    with dev(tmp_path, port) as said:
        assert f"{EMAIL}, password as you set it" in said
        assert "YOUR-PASSWORD" in said
    cli.must("users", "delete", EMAIL, **data)
    with dev(tmp_path, port) as said:
        assert f"{EMAIL}, password Dw1-" in said


def test_a_busy_port_names_the_command_for_another(cli: Cli) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        assert f"make run PORT={port + 1}" in cli.fails("dev", "--port", str(port))
        assert "choose another with --port" in cli.fails("serve", "--port", str(port))
