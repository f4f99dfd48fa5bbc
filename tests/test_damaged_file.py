"""An SQLite file that was torn, or in which bits were flipped: found at the start, with the way back."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from doorward.core import sqlite_file
from doorward.core.sqlite_file import Damaged, find_damage, require_sound
from tests.faults.damages import DAMAGES, PAGE, flipped
from tests.support.cli import Cli
from tests.support.servers import free_port


@pytest.fixture
def database_url(tmp_path: Path, sqlite_template: Path) -> str:
    """An SQLite file on its own, without what the last connection left beside it."""
    path = tmp_path / "doorward.db"
    path.write_bytes(sqlite_template.read_bytes())
    return f"sqlite:///{path}"


@pytest.fixture
def cli(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Cli:
    return Cli(database_url, tmp_path, monkeypatch, capfd)


def file_of(cli: Cli) -> Path:
    return Path(cli.url.removeprefix("sqlite:///"))


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_found_at_the_start_with_the_way_back(
    cli: Cli, damage: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    cli.must("users", "create", "ann@example.org")
    back_up = tmp_path / "back-up.db"
    cli.must("backup", str(back_up))
    good, file = back_up.read_bytes(), file_of(cli)
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(Damaged):
        require_sound(file)
    for command in (["serve", "--port", str(free_port())], ["worker"]):
        line = cli.fails(*command)
        assert "the database file is damaged (" in line
        assert "`doorward restore --force FILE`" in line
    assert "FAILED" in cli.run("check").out
    # The last good copy stays.
    assert "nothing was written" in cli.fails("backup", str(back_up))
    assert back_up.read_bytes() == good
    cli.must("restore", "--force", str(back_up))
    assert "no damage found" in cli.must("check")
    assert "ann@example.org" in cli.must("users", "list")


def test_a_flipped_bit_in_any_page_that_is_in_use_is_found(cli: Cli) -> None:
    file = file_of(cli)
    good = file.read_bytes()
    with closing(sqlite3.connect(file)) as connection:
        (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    found = 0
    for page in range(1, len(good) // PAGE):
        file.write_bytes(flipped(page * PAGE)(good))
        found += find_damage(file) is not None
    assert found == len(good) // PAGE - 1 - free


def test_a_sound_file_and_one_that_is_not_there_are_no_damage(cli: Cli, tmp_path: Path) -> None:
    require_sound(file_of(cli))
    require_sound(tmp_path / "none.db")
    assert not (tmp_path / "none.db").exists()


def test_a_large_file_is_gone_through_by_check_alone(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    file = file_of(cli)
    file.write_bytes(DAMAGES["a page that was never written"](file.read_bytes()))
    with pytest.raises(Damaged):
        require_sound(file)
    monkeypatch.setattr(sqlite_file, "LARGEST_AT_START", file.stat().st_size - 1)
    require_sound(file)
    assert "is damaged: " in cli.run("check").out


def test_a_command_that_comes_upon_damage_says_so(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_file, "LARGEST_AT_START", 0)
    file = file_of(cli)
    with closing(sqlite3.connect(file)) as connection:
        wanted = "SELECT rootpage FROM sqlite_schema WHERE tbl_name IN ('users', 'identifiers')"
        roots = connection.execute(wanted).fetchall()
    content = bytearray(file.read_bytes())
    for (root,) in roots:
        content[(root - 1) * PAGE : root * PAGE] = bytes(PAGE)
    file.write_bytes(content)
    # By a statement of the driver's, and by one of SQLAlchemy's.
    for command in (["users", "end-sessions", "ann@example.org"], ["users", "list"]):
        line = cli.fails(*command)
        assert "the database file is damaged (" in line
        assert "`doorward restore --force FILE`" in line
