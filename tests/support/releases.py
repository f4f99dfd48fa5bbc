"""Other releases of Doorward than the one under test, with schemas of their own, run by the same interpreter."""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from doorward.core.migrate import HEAD

SOURCE = Path(__file__).parents[2] / "src"
NEXT = f"{int(HEAD) + 1:04}"
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

    def environment(self, environ: dict[str, str]) -> dict[str, str]:
        """The variables with which `python -m doorward...` is this release."""
        return environ | {"PYTHONPATH": str(self.source)}

    def run(self, environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "doorward.cli.main", *arguments]
        return subprocess.run(command, env=self.environment(environ), capture_output=True, text=True, check=False)


THIS = Release(SOURCE, HEAD)


def next_release(folder: Path, before: Release = THIS, *, works_from: str = HEAD, steps: str = EXPANDS) -> Release:
    """A release whose one change is a migration of these steps."""
    source = folder / f"after-{before.head}"
    shutil.copytree(before.source, source, ignore=shutil.ignore_patterns("__pycache__"))
    release = Release(source, f"{int(before.head) + 1:04}")
    text = MIGRATION.format(
        what="A change to try", version=release.head, before=before.head, works_from=works_from, steps=steps
    )
    (release.migrations / "versions" / f"v{release.head}_to_try.py").write_text(text)
    module = source / "doorward" / "core" / "migrate.py"
    changed, count = re.subn(r'^HEAD = "\d{4}"$', f'HEAD = "{release.head}"', module.read_text(), flags=re.MULTILINE)
    assert count == 1
    module.write_text(changed)
    return release


def release_up_to(folder: Path, version: str) -> Path:
    """The migrations of a release that ended at that version."""
    migrations = folder / f"up-to-{version}"
    shutil.copytree(THIS.migrations, migrations, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (migrations / "versions").glob("v*.py"):
        if path.name[1:5] > version:
            path.unlink()
    return migrations
