"""`doorward migrate`: the schema."""

import argparse
from contextlib import closing
from pathlib import Path

from doorward.cli.failure import Failure
from doorward.cli.parser import Parser
from doorward.cli.serve import refuse_newer
from doorward.core.clock import SystemClock
from doorward.core.db import Database
from doorward.core.migrate import HEAD, current
from doorward.core.migrate import migrate as bring_up_to_date
from doorward.core.vault import make_private_folder
from doorward.settings import Settings


def arguments(parser: Parser) -> None:
    parser.add_argument("--check", action="store_true", help="change nothing: exit code 1 if there is something to do")
    parser.show_examples("doorward migrate --check")
    parser.set_defaults(run=migrate)


def migrate(settings: Settings, args: argparse.Namespace) -> None:
    """Bring the schema to this release's version, or say whether it is. Raises Failure."""
    version = schema_version(settings)
    refuse_newer(version)
    if version == HEAD:
        print(f"The schema is {HEAD}, this release's")
    elif args.check:
        raise Failure(f"the schema is {version or 'empty'}, this release works on {HEAD}: run `doorward migrate`")
    else:
        if sqlite_file(settings) is not None:
            make_private_folder(settings.data_dir)
        bring_up_to_date(settings.database)
        print(f"The schema is {HEAD} now; it was {version or 'empty'}")


def schema_version(settings: Settings) -> str | None:
    """The schema's version, None for an empty database; one that is not there stays so. Raises DatabaseUnavailable."""
    path = sqlite_file(settings)
    if path is not None and not path.exists():
        return None
    with closing(Database(settings.database, SystemClock(), settings.limits)) as database:
        return current(database)


def sqlite_file(settings: Settings) -> Path | None:
    """The database's file; None on PostgreSQL."""
    if not settings.database.startswith("sqlite:///"):
        return None
    return Path(settings.database.removeprefix("sqlite:///"))
