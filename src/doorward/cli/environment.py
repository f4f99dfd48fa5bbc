"""The installation's parts, for a command that works on them."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from doorward.app import build_env
from doorward.cli.failure import Failure
from doorward.cli.prepare import prepare
from doorward.env import Env
from doorward.settings import Settings

NONE = (
    "there is no database at {}: name yours by `--config`, DOORWARD_DATA_DIR or DOORWARD_DATABASE_URL; "
    "`doorward serve` or `doorward migrate` makes a new one"
)
NEW = "made a new database, {}: if there is one already, name it by `--config` or DOORWARD_DATA_DIR"


@contextmanager
def opened(settings: Settings) -> Iterator[Env]:
    """The parts, over a database that has this release's schema, for a command that works on what is in it.

    An SQLite file that is not there is not made: a command that runs in the wrong folder, or without its configuration,
    would find nothing, and its user would not see why.

    Raises Failure, DatabaseUnavailable, WrongSecretKey, BrandError.
    """
    file = settings.sqlite_file
    if file is not None and not file.exists():
        raise Failure(NONE.format(file))
    with opened_or_made(settings) as env:
        yield env


@contextmanager
def opened_or_made(settings: Settings, *, says_new: bool = True) -> Iterator[Env]:
    """As `opened`, for a command that adds the first there is: an SQLite file is made, and standard error says so."""
    file = settings.sqlite_file
    is_new = file is not None and not file.exists()
    prepare(settings)
    if is_new and says_new:
        print(f"doorward: {NEW.format(file)}", file=sys.stderr)
    env = build_env(settings)
    try:
        yield env
    finally:
        env.hasher.close()
        env.db.close()
