"""Other releases of Doorward than the one under test, with schemas of their own, run by the same interpreter."""

import itertools
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from doorward.core.clock import SystemClock
from doorward.core.db import Database
from doorward.core.migrate import FLOOR, HEAD
from doorward.core.schema import Schema, current
from tests.support.person import EMAIL_OTP, TOTP, Person, good, refusal
from tests.support.servers import Remote

SOURCE = Path(__file__).parents[2] / "src"
_numbers = itertools.count(1)
NEXT = f"{int(HEAD) + 1:04}"
MODULE = Path("doorward/core/migrate.py")
HEAD_LINE = re.compile(r'^HEAD = "(\d{4})"$', re.MULTILINE)
MIGRATION = '''\
"""{what}."""

import sqlalchemy as sa
from alembic import op

revision = "{version}"
down_revision = "{before}"
works_from = "{works_from}"


def upgrade() -> None:
    {steps}
'''
EXPANDS = """\
op.create_table("gadgets", sa.Column("id", sa.Integer(), primary_key=True))
    op.add_column("users", sa.Column("nickname", sa.Text()))
    op.add_column("sessions", sa.Column("weight", sa.Integer(), nullable=False, server_default="1"))
    op.create_index("ix_users_nickname", "users", ["nickname"])"""
CONTRACTS = """\
op.drop_index("ix_users_nickname", "users")"""


@dataclass(frozen=True)
class Release:
    """The folder that holds the package, and the schema version that its code was written for."""

    source: Path
    head: str

    @property
    def migrations(self) -> Path:
        return self.source / "doorward" / "core" / "migrations"

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """The variables with which `python -m doorward...` is this release."""
        return {**environ, "PYTHONPATH": str(self.source)}

    def run(self, environ: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "doorward.cli.main", *arguments]
        return subprocess.run(command, env=self.environment(environ), capture_output=True, text=True, check=False)


THIS = Release(SOURCE, HEAD)


def next_release(folder: Path, before: Release = THIS, *, works_from: str = FLOOR, steps: str = EXPANDS) -> Release:
    """A release whose one change is a migration of these steps; as it comes, the floor stays where it is."""
    source = folder / f"after-{before.head}"
    shutil.copytree(before.source, source, ignore=shutil.ignore_patterns("__pycache__"))
    release = Release(source, f"{int(before.head) + 1:04}")
    text = MIGRATION.format(
        what="A change to try", version=release.head, before=before.head, works_from=works_from, steps=steps
    )
    (release.migrations / "versions" / f"v{release.head}_to_try.py").write_text(text)
    module = source / MODULE
    module.write_text(HEAD_LINE.sub(f'HEAD = "{release.head}"', module.read_text()))
    assert head_of(source) == release.head
    return release


def head_of(source: Path) -> str:
    """The schema version that the code in this folder was written for."""
    found = HEAD_LINE.search((source / MODULE).read_text())
    assert found is not None
    return found[1]


def release_up_to(folder: Path, version: str) -> Path:
    """The migrations of a release that ended at that version."""
    migrations = folder / f"up-to-{version}"
    shutil.copytree(THIS.migrations, migrations, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (migrations / "versions").glob("v*.py"):
        if path.name[1:5] > version:
            path.unlink()
    return migrations


def schema_of(url: str) -> Schema:
    """What the database says."""
    with closing(Database(url, SystemClock())) as database:
        return current(database)


def serve_alike(one: Remote, other: Remote) -> None:
    """What one of two servers has begun, the other goes on with, from login to logout."""
    for here, there in ((one, other), (other, one)):
        _walk(here, there)


def _walk(here: Remote, there: Remote) -> None:
    number = next(_numbers)
    person = Person.at(here, f"walker{number}@example.org")
    elsewhere = Person(there, person.email, id=person.id, refresh=there.login(person.email))
    # Exchange and renewal.
    assert good(here.call("GET", "/auth/accesstoken/validate", elsewhere.access)) == {"userId": person.id}
    elsewhere.refresh = here.call("GET", "/auth/refreshtoken", elsewhere.refresh).text
    # An authenticator is set up here and enabled there.
    person.totp = person.set_totp_up(person.access)
    codes = good(elsewhere.post(f"{TOTP}/enable", elsewhere.access, totp=_code(person, -1)))["recoveryCodes"]
    tokens = good(here.call("POST", f"{TOTP}/authenticate", elsewhere.partial, json={"totp": _code(person, 0)}))
    sudo = good(there.call("POST", f"{TOTP}/authenticate", tokens["accessToken"], json={"totp": _code(person, 1)}))
    recovered = good(elsewhere.guess_recovery_code(person.partial, codes[0]))
    assert refusal(person.guess_recovery_code(elsewhere.partial, codes[0])) == (401, "RECOVERY_CODE_INCORRECT")
    # Codes by mail, asked for here and told there.
    address = f"codes{number}@example.org"
    good(person.post(f"{EMAIL_OTP}/setup", sudo["sudoToken"], email=address))
    code = here.mailed_code(address)
    assert good(elsewhere.post(f"{EMAIL_OTP}/enable", tokens["accessToken"], otp=code))["recoveryCodes"] == []
    assert good(elsewhere.get("/user/2fa", recovered["accessToken"]))["enabled"]
    # A password that is changed here ends what was begun there; a logout does too.
    change = {"oldPassword": person.password, "newPassword": "Another-Horse-1"}
    assert here.call("PUT", "/user/password/old-password", sudo["sudoToken"], json=change).status_code == 204
    assert refusal(there.call("GET", "/auth/accesstoken", recovered["refreshToken"])) == (401, "TOKEN_REVOKED")
    assert there.call("POST", "/auth/logout", tokens["refreshToken"]).status_code == 204
    assert refusal(here.call("GET", "/auth/accesstoken", tokens["refreshToken"])) == (401, "TOKEN_REVOKED")


def _code(person: Person, step: int) -> str:
    """By the real time, as servers go by it."""
    return person.authenticator.at(SystemClock().now_ms() // 1000 + 30 * step)
