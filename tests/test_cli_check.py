"""`doorward check`: each thing that can be wrong, named with how to mend it."""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from doorward.cli import checks_database, checks_files
from doorward.core.clock import DAY, SystemClock
from doorward.core.db import Database
from doorward.core.limits import Limits
from doorward.core.migrate import HEAD
from doorward.core.schema import Schema
from tests.support.cli import Cli
from tests.support.service import EMAIL
from tests.support.smtp import SmtpCatcher

NOW = 1_800_000_000_000
MOUNTINFO = r"""
22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
30 22 0:40 / /srv/data rw shared:2 - nfs4 server:/export rw
31 22 0:41 / /srv/my\040disk rw shared:3 - cifs //server/share rw
32 22 0:42 / /home/me/mnt rw shared:4 - fuse.sshfs me@server: rw
33 30 254:2 / /srv/data/local rw shared:5 - xfs /dev/vdb rw
""".strip()


@pytest.fixture
def cli(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Cli:
    return Cli(database_url, tmp_path, monkeypatch, capfd)


def points(cli: Cli, **settings: str) -> dict[str, dict[str, Any]]:
    return {point["name"]: point for point in cli.run("check", "--json", **settings).rows}


def test_a_sound_installation_has_nothing_to_mend(cli: Cli, smtp: SmtpCatcher) -> None:
    cli.must("keys", "list")
    done = cli.run("check", "--json", smtp_url=smtp.url, public_url="https://auth.example.org")
    assert done.code == 0, done.out
    # The tests' databases lie in memory, where a machine may have little room.
    assert {point["state"] for point in done.rows if point["name"] != "disk"} == {"ok"}
    names = {point["name"] for point in done.rows}
    assert names >= {
        "settings",
        "public URL",
        "mails",
        "data folder",
        "secret key",
        "database",
        "signing keys",
        "clock",
    }
    assert ("look-ups" in names) == cli.url.startswith("postgresql")
    assert smtp.mails == []


def test_warnings_do_not_fail(cli: Cli) -> None:
    done = cli.run("check")
    assert done.code == 0
    assert "WARNING  mail server" in done.out
    assert "-> set DOORWARD_SMTP_URL" in done.out


def test_check_makes_nothing(cli: Cli) -> None:
    cli.must("check", database_url=f"sqlite:///{cli.folder / 'data' / 'new.db'}", secret_key="")
    assert list(cli.folder.iterdir()) == []


def test_what_fails_is_counted_in_one_line(cli: Cli, smtp: SmtpCatcher) -> None:
    smtp.stop()
    said = cli.fails("check", smtp_url=smtp.url, public_url="http://auth.example.org")
    assert said == "doorward: 2 to mend, see FAILED above\n"


def test_a_public_url_without_tls_is_named_with_the_right_one(cli: Cli) -> None:
    point = points(cli, public_url="http://auth.example.org")["public URL"]
    assert (point["state"], "https://auth.example.org" in point["mend"]) == ("failed", True)
    for local in ("http://localhost:8000", "http://127.0.0.1", "http://[::1]:8000", "https://auth.example.org"):
        assert points(cli, public_url=local)["public URL"]["state"] == "ok"


def test_a_brand_that_cannot_be_used_is_named(cli: Cli) -> None:
    brands = cli.folder / "brands.toml"
    brands.write_text('[default]\naccent = "#ffffff"\naccent_text = "#eeeeee"\n')
    point = points(cli, brands_file=str(brands))["mails"]
    assert (point["state"], "contrast" in point["found"]) == ("failed", True)


def test_modes_that_let_others_in_are_named(cli: Cli) -> None:
    cli.must("users", "create", EMAIL, secret_key="", database_url=f"sqlite:///{cli.folder / 'data' / 'doorward.db'}")
    folder = cli.folder / "data"
    key = folder / "secret.key"
    folder.chmod(0o755)
    key.chmod(0o644)
    found = points(cli, secret_key="")
    assert (found["data folder"]["state"], found["data folder"]["mend"]) == ("warning", f"chmod 700 {folder}")
    assert (found["secret key"]["state"], found["secret key"]["mend"]) == ("failed", f"chmod 600 {key}")


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Cli:
    """The command line of an installation that has nothing yet but an open data folder."""
    (tmp_path / "data").mkdir(mode=0o755)
    cli = Cli("", tmp_path, monkeypatch, capfd)
    cli.environ["DOORWARD_SECRET_KEY"] = ""
    return cli


@contextmanager
def database_in_use(cli: Cli) -> Iterator[None]:
    file = cli.folder / "data" / "doorward.db"
    with closing(Database(f"sqlite:///{file}", SystemClock())) as database, database.write():
        yield


def modes(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_mode & 0o777 for path in folder.rglob("*")}


@pytest.mark.usefixtures("open_umask")
def test_what_is_made_is_for_its_owner_alone_whatever_the_umask_and_the_folder(alone: Cli) -> None:
    alone.must("users", "create", EMAIL)
    alone.must("mail", "test", EMAIL)
    files = ["doorward.db", "doorward.db-wal", "doorward.db-shm", "secret.key", "inbox/000001.eml"]
    with database_in_use(alone):
        assert modes(alone.folder / "data") == dict.fromkeys(files, 0o600) | {"inbox": 0o700}
    alone.must("users", "create", EMAIL, data_dir=str(alone.folder / "new" / "inner"))
    found = modes(alone.folder)
    assert (found["new"], found["new/inner"]) == (0o700, 0o700)


def test_a_database_that_others_can_read_is_named_with_all_its_files(alone: Cli) -> None:
    data = alone.folder / "data"
    alone.must("users", "create", EMAIL)
    with database_in_use(alone):
        assert "database modes" not in points(alone)
        for end in ("", "-wal"):
            (data / f"doorward.db{end}").chmod(0o640)
        point = points(alone)["database modes"]
        # Nobody else comes into the folder.
        data.chmod(0o700)
        assert "database modes" not in points(alone)
    assert point["state"] == "warning"
    assert point["found"] == f"others can read {data}/doorward.db, {data}/doorward.db-wal"
    assert point["mend"] == f"chmod 600 {data}/doorward.db {data}/doorward.db-wal"


def test_a_data_folder_that_is_no_folder_is_named(cli: Cli) -> None:
    (cli.folder / "data").write_text("")
    assert points(cli)["data folder"]["state"] == "failed"


def test_another_secret_key_and_a_lost_one_are_named(cli: Cli) -> None:
    cli.must("keys", "list")
    point = points(cli, secret_key="another-secret-key-for-tests-of-32-signs")["signing keys"]
    assert (point["state"], "can't be opened" in point["found"]) == ("failed", True)
    lost = points(cli, secret_key="")["signing keys"]
    assert (lost["state"], "secret.key" in lost["found"]) == ("failed", True)


def test_a_key_that_is_none_is_named_and_one_that_is_yet_to_come_is_not(cli: Cli) -> None:
    cli.must("migrate")
    assert points(cli, secret_key="")["signing keys"]["found"] == "none yet: the first start makes one"
    key = cli.folder / "data" / "secret.key"
    key.parent.mkdir(mode=0o700, exist_ok=True)
    key.touch(mode=0o600)
    point = points(cli, secret_key="")["secret key"]
    assert (point["state"], "holds no secret key" in point["found"]) == ("failed", True)
    key.unlink()
    key.mkdir(mode=0o700)
    point = points(cli, secret_key="")["secret key"]
    assert (point["state"], "can't be read" in point["found"]) == ("failed", True)


def test_an_old_key_should_be_rotated(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    cli.must("keys", "list")
    monkeypatch.setattr(checks_database, "KEY_OLD_AFTER", -DAY)
    point = points(cli)["signing keys"]
    assert (point["state"], point["mend"]) == ("warning", "run `doorward keys rotate`")


def test_a_database_that_is_away_is_named_without_its_password(cli: Cli) -> None:
    done = cli.run("check", database_url="postgresql://doorward:Se-cret-1@127.0.0.1:1/doorward")
    assert done.code == 1
    assert "FAILED   database: the database can't be reached" in done.out
    assert "Se-cret-1" not in done.out + done.err


def test_a_mail_server_that_refuses_the_login_is_quoted(cli: Cli, smtp: SmtpCatcher) -> None:
    point = points(cli, smtp_url=smtp.url.replace("//", "//user:Se-cret-1@"))["mail server"]
    assert point["state"] == "failed"
    assert "Se-cret-1" not in str(point)


@pytest.mark.parametrize(
    ("schema", "is_sqlite", "state"),
    [
        (Schema(HEAD, HEAD), True, "ok"),
        (Schema(), True, "ok"),
        (Schema(), False, "failed"),
        (Schema("0000", "0000"), False, "failed"),
        (Schema("9999", "9999"), True, "failed"),
        (Schema("9999", HEAD), True, "ok"),
    ],
)
def test_a_schema_is_judged(schema: Schema, is_sqlite: bool, state: str) -> None:  # noqa: FBT001
    point = checks_database.schema(schema, is_sqlite=is_sqlite)
    assert point.state == state
    assert str(schema) in point.found


@pytest.mark.parametrize(
    ("path", "state", "kind"),
    [
        ("/var/lib/doorward.db", "ok", "ext4"),
        ("/srv/data/doorward.db", "failed", "nfs4"),
        ("/srv/data/local/doorward.db", "ok", "xfs"),
        ("/srv/database/doorward.db", "ok", "ext4"),
        ("/srv/my disk/doorward.db", "failed", "cifs"),
        ("/home/me/mnt/doorward.db", "warning", "fuse.sshfs"),
    ],
)
def test_a_network_file_system_is_named(monkeypatch: pytest.MonkeyPatch, path: str, state: str, kind: str) -> None:
    monkeypatch.setattr(checks_files, "_nearest_there", lambda asked: asked)
    point = checks_files.file_system(Path(path), MOUNTINFO)
    assert (point.state, kind in point.found) == (state, True)


@pytest.mark.parametrize(("free", "state"), [(50, "ok"), (5, "ok"), (4, "warning"), (0, "failed")])
def test_little_room_is_named(free: int, state: str) -> None:
    assert checks_files.disk(Path("doorward.db"), 100, free).state == state


@pytest.mark.parametrize(
    ("milliseconds", "state"), [(0, "warning"), (1, "ok"), (5_000, "ok"), (6_000, "ok"), (6_001, "warning")]
)
def test_look_ups_without_an_end_at_the_server_are_named(milliseconds: int, state: str) -> None:
    point = checks_database.look_ups(milliseconds, "doorward", Limits())
    assert point.state == state
    assert ("ALTER ROLE doorward SET statement_timeout = '5s'" in point.mend) == (state == "warning")


@pytest.mark.parametrize(("apart", "state"), [(0, "ok"), (1_900, "ok"), (-3_000, "warning"), (40_000, "failed")])
def test_a_clock_apart_from_the_databases_is_named_with_both(apart: int, state: str) -> None:
    point = checks_database.clock_against_database(NOW + apart, NOW)
    assert point.state == state
    assert point.found.count("T") == 2


def test_a_clock_behind_what_has_happened_is_named() -> None:
    assert checks_database.clock_against_past(NOW, NOW).state == "ok"
    assert checks_database.clock_against_past(0, NOW).state == "ok"
    assert checks_database.clock_against_past(NOW + 60_000, NOW).state == "failed"
