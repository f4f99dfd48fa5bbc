"""An upgrade without a stop: servers of this release and of the next one on one database, and the way back."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from doorward.core.migrate import FLOOR, HEAD
from tests.support.cli import Cli
from tests.support.releases import CONTRACTS, NEXT, THIS, Release, next_release, serve_alike
from tests.support.servers import environment, free_port, remote_at
from tests.support.service import Service
from tests.support.smtp import SmtpCatcher


@pytest.fixture(scope="module")
def coming(tmp_path_factory: pytest.TempPathFactory) -> Release:
    return next_release(tmp_path_factory.mktemp("release"))


@pytest.fixture(scope="module")
def after(coming: Release, tmp_path_factory: pytest.TempPathFactory) -> Release:
    """The release that takes away what this one knows nothing of, and says that it needs the one before."""
    return next_release(tmp_path_factory.mktemp("release"), coming, works_from=NEXT, steps=CONTRACTS)


@pytest.fixture
def environ(database_url: str, tmp_path: Path, smtp: SmtpCatcher) -> dict[str, str]:
    return environment(database_url, tmp_path, smtp)


@pytest.fixture
def cli(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Cli:
    return Cli(database_url, tmp_path, monkeypatch, capfd)


def due(release: Release, environ: Mapping[str, str]) -> list[dict[str, Any]]:
    """What the release's check names; its exit code says whether it is anything."""
    done = release.run(environ, "migrate", "--check", "--json")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, done.stderr) == (3 if rows else 0, "")
    return rows


def test_check_tells_what_is_due_and_whether_servers_go_on(
    environ: dict[str, str], coming: Release, after: Release
) -> None:
    assert due(THIS, environ) == []
    expand = {"version": NEXT, "kind": "expand", "worksFrom": FLOOR, "serversGoOn": True, "what": "A change to try"}
    assert due(coming, environ) == [expand]
    contract = {"version": after.head, "kind": "contract", "worksFrom": NEXT, "serversGoOn": False}
    assert due(after, environ) == [expand, contract | {"what": expand["what"]}]
    assert f"Servers of {HEAD} go on" in coming.run(environ, "migrate", "--check").stdout
    assert f"Servers of {HEAD} do NOT go on" in after.run(environ, "migrate", "--check").stdout
    assert coming.run(environ, "migrate").returncode == 0
    # From one release to the next, nothing has to stop.
    assert due(after, environ) == [contract | {"serversGoOn": True, "what": expand["what"]}]
    assert due(coming, environ) == []
    # This release has nothing to do on the newer schema either.
    assert due(THIS, environ) == []


def test_servers_of_two_releases_serve_alike_and_either_may_start(
    environ: dict[str, str], tmp_path: Path, smtp: SmtpCatcher, coming: Release
) -> None:
    with remote_at(environ, smtp, tmp_path / "ours.log") as ours:
        if environ["DOORWARD_DATABASE_URL"].startswith("postgresql"):
            refused = coming.run(environ, "users", "list")
            assert "run `doorward migrate`" in refused.stderr
            assert coming.run(environ, "migrate").returncode == 0
        # On SQLite the first one that starts migrates, under those that run.
        with remote_at(coming.environment(environ), smtp, tmp_path / "theirs.log") as theirs:
            serve_alike(ours, theirs)
            # The way back: this release starts where the next one has been.
            with remote_at(environ, smtp, tmp_path / "again.log") as again:
                assert again.call("GET", "/health/ready").json() == {"status": "ok", "schema": NEXT}
                serve_alike(theirs, again)


def test_after_a_contract_older_servers_take_no_requests_and_none_starts(
    environ: dict[str, str], service: Service, cli: Cli, coming: Release, after: Release
) -> None:
    assert coming.run(environ, "migrate").returncode == 0
    assert service.call("GET", "/health/ready").status_code == 200
    assert "works on it" in cli.must("migrate")
    assert after.run(environ, "migrate").returncode == 0
    ready = service.call("GET", "/health/ready")
    assert (ready.status_code, ready.json()) == (503, {"status": "unavailable", "schema": after.head})
    line = f"{after.head}, which takes releases of {NEXT} and later; this one is of {HEAD}"
    for command in (["users", "list"], ["migrate"], ["migrate", "--check"], ["serve", "--port", str(free_port())]):
        assert line in cli.fails(*command)
    assert coming.run(environ, "users", "list").returncode == 0
