"""The installation's parts, for a command that works on them."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from doorward.app import build_env
from doorward.cli.prepare import prepare
from doorward.env import Env
from doorward.settings import Settings

NEW = "made a new database, {}: if there is one already, name it by `--config` or DOORWARD_DATA_DIR"


@contextmanager
def opened(settings: Settings, *, says_new: bool = True) -> Iterator[Env]:
    """The parts, over a database that has this release's schema.

    An SQLite file that is not there is made, and standard error says so: a command that runs in the wrong folder, or
    without its configuration, finds nothing, and its user should see why.

    Raises Failure, DatabaseUnavailable, WrongSecretKey, BrandError.
    """
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
