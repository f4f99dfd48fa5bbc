"""The installation's parts, for a command that works on them."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from doorward.app import build_env
from doorward.cli.failure import Failure
from doorward.cli.prepare import prepare
from doorward.core.vault import KEY_FILE
from doorward.env import Env
from doorward.settings import Settings

NO_DATABASE = (
    "there is no database at {}: name yours by `--config`, DOORWARD_DATA_DIR or DOORWARD_DATABASE_URL; "
    "`doorward serve` or `doorward migrate` makes a new one"
)
NO_KEY = (
    "there is no secret key: set DOORWARD_SECRET_KEY, or name the folder that has yours by `--config` or "
    "DOORWARD_DATA_DIR; if it is lost, put it back from its back-up; `doorward serve` makes {} for a new database"
)
NEW_DATABASE = "made a new database, {}: if there is one already, name it by `--config` or DOORWARD_DATA_DIR"


@contextmanager
def opened(settings: Settings) -> Iterator[Env]:
    """The parts, over a database that has this release's schema, for a command that works on what is in it.

    Raises Failure, DatabaseUnavailable, WrongSecretKey, BrandError.
    """
    require_installation(settings)
    with opened_or_made(settings) as env:
        yield env


def require_installation(settings: Settings) -> None:
    """Raises Failure where there is no SQLite file or no secret key yet, which `prepare` would make.

    A command that runs in the wrong folder, or without its configuration, would find nothing in a file that it has just
    made, and its user would not see why; and a new secret key opens nothing that is there.
    """
    file = settings.sqlite_file
    if file is not None and not file.exists():
        raise Failure(NO_DATABASE.format(file))
    key = settings.data_dir / KEY_FILE
    if not settings.secret_key and not key.exists():
        raise Failure(NO_KEY.format(key))


@contextmanager
def opened_or_made(settings: Settings, *, says_new: bool = True) -> Iterator[Env]:
    """As `opened`, for a command that adds the first there is: an SQLite file is made, and standard error says so."""
    file = settings.sqlite_file
    is_new = file is not None and not file.exists()
    prepare(settings)
    if is_new and says_new:
        print(f"doorward: {NEW_DATABASE.format(file)}", file=sys.stderr)
    env = build_env(settings)
    try:
        yield env
    finally:
        env.hasher.close()
        env.db.close()
