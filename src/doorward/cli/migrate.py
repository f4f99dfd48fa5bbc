"""`doorward migrate`: the schema."""

import argparse
import sys
import time
from collections.abc import Sequence
from contextlib import closing

from doorward.cli.failure import Failure
from doorward.cli.output import Row, print_json, print_table
from doorward.cli.parser import Parser
from doorward.cli.prepare import refuse_newer
from doorward.core.clock import SystemClock
from doorward.core.db import Database
from doorward.core.migrate import HEAD, PAUSE_S, Migration, due
from doorward.core.migrate import migrate as bring_up_to_date
from doorward.core.schema import Schema, current
from doorward.core.vault import make_private_folder
from doorward.settings import Settings

DUE = 3
EXAMPLES = """
    doorward migrate --check
    doorward migrate --check --json | grep '"serversGoOn":false'
    doorward migrate
"""


def arguments(parser: Parser) -> None:
    parser.add_argument(
        "--check",
        action="store_true",
        help=f"change nothing: say what is due, and whether servers go on meanwhile; exit code {DUE} if anything is",
    )
    parser.add_argument("--json", action="store_true", help="with --check: one JSON object a line for each that is due")
    parser.show_examples(EXAMPLES)
    parser.set_defaults(run=migrate)


def migrate(settings: Settings, args: argparse.Namespace) -> None:
    """Bring the schema to this release's version, or say what is due. Raises Failure, Occupied, Locked, SystemExit."""
    if args.json and not args.check:
        raise Failure("--json goes with --check")
    schema = find_schema(settings)
    refuse_newer(schema)
    todo = due(schema.version)
    if args.json:
        for each in todo:
            print_json(_row(each, schema))
    elif not todo:
        whose = (
            f"a newer release's, and this one ({HEAD}) works on it" if schema.is_newer_than(HEAD) else "this release's"
        )
        print(f"The schema is {schema}, {whose}: nothing is due")
    elif args.check:
        print_table([{**_row(each, schema), "serversGoOn": _yes(not each.stops(schema.version))} for each in todo])
        print(_outlook(todo, schema))
    else:
        _migrate(settings, schema, todo)
    if args.check and todo:
        sys.exit(DUE)


def find_schema(settings: Settings) -> Schema:
    """An SQLite file that is not there is not made. Raises DatabaseUnavailable."""
    path = settings.sqlite_file
    if path is not None and not path.exists():
        return Schema()
    with closing(Database(settings.database, SystemClock(), settings.limits)) as database:
        return current(database)


def _migrate(settings: Settings, schema: Schema, todo: Sequence[Migration]) -> None:
    if settings.sqlite_file is not None:
        make_private_folder(settings.data_dir)
    bring_up_to_date(settings.database, _pause)
    print(f"The schema is {HEAD} now; it was {schema}")
    if todo[-1].stops(schema.version):
        print(f"Servers of {schema} serve no more: start this release's")


def _pause(left: int) -> None:
    line = f"doorward: something else holds a lock that is needed; it is tried {left} more times, every {PAUSE_S} s"
    print(line, file=sys.stderr, flush=True)
    time.sleep(PAUSE_S)


def _row(migration: Migration, schema: Schema) -> Row:
    return {
        "version": migration.version,
        "kind": "contract" if migration.is_contract else "expand",
        "worksFrom": migration.floor,
        "serversGoOn": not migration.stops(schema.version),
        "what": migration.what,
    }


def _outlook(todo: Sequence[Migration], schema: Schema) -> str:
    if schema.version is None:
        return "The database is empty: run `doorward migrate`"
    if not todo[-1].stops(schema.version):
        return f"Servers of {schema} go on, during `doorward migrate` and after it"
    return f"Servers of {schema} do NOT go on: they stop serving with `doorward migrate`, until this release's start"


def _yes(value: bool) -> str:  # noqa: FBT001 -- the value is what is to be shown
    return "yes" if value else "no"
