"""The release before this one, as git has it, goes on while its schema becomes this one's and the next one's."""

import io
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.programs import program
from tests.support.postgres import PostgresServer
from tests.support.releases import Release, head_of, next_release, serve_alike
from tests.support.servers import environment, remote_at
from tests.support.smtp import SmtpCatcher

ROOT = Path(__file__).parents[2]
SCHEMA, FLOOR = "src/doorward/core/migrate.py", "src/doorward/core/schema.py"
NAME = "upgraded"


def git(*arguments: str) -> bytes:
    return subprocess.run([program("git"), "-C", str(ROOT), *arguments], capture_output=True, check=True).stdout


def has_floor(commit: str) -> bool:
    return bool(git("ls-tree", commit, "--", FLOOR))


def last_commit_of_the_schema_before() -> str:
    """The commit before the one that brought this schema; the first that knows of floors, where that one does not."""
    brought = git("log", "--reverse", "--format=%H", f'-SHEAD = "{head_of(ROOT / "src")}"', "--", SCHEMA).split()
    if brought and has_floor(before := f"{brought[0].decode()}^"):
        return before
    return git("log", "--diff-filter=A", "--format=%H", "--", FLOOR).split()[-1].decode()


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Release:
    commit = last_commit_of_the_schema_before()
    print(git("log", "-1", "--format=the earlier release is %h: %s", commit).decode())  # noqa: T201 -- which one was tried
    folder = tmp_path_factory.mktemp("earlier")
    with tarfile.open(fileobj=io.BytesIO(git("archive", commit, "src"))) as archive:
        archive.extractall(folder, filter="data")
    return Release(folder / "src", head_of(folder / "src"))


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database(request: pytest.FixtureRequest, tmp_path: Path, postgres: PostgresServer) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'doorward.db'}"
        return
    yield postgres.create_database(NAME)
    postgres.drop_database(NAME)


def test_the_earlier_release_goes_on_on_this_schema_and_on_the_next(
    empty_database: str, tmp_path: Path, smtp: SmtpCatcher, earlier: Release
) -> None:
    environ = environment(empty_database, tmp_path, smtp)
    coming = next_release(tmp_path)
    old = earlier.environment(environ)
    assert earlier.run(environ, "migrate").returncode == 0
    with remote_at(old, smtp, tmp_path / "earlier.log") as theirs:
        assert coming.run(environ, "migrate").returncode == 0
        assert theirs.call("GET", "/health/ready").json() == {"status": "ok", "schema": coming.head}
        with remote_at(environ, smtp, tmp_path / "ours.log") as ours:
            serve_alike(theirs, ours)
            # The way back.
            with remote_at(old, smtp, tmp_path / "again.log") as again:
                serve_alike(ours, again)
