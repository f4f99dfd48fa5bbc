"""`doorward backup`: a copy of the SQLite database while it is in use."""

import argparse
import os
import shutil
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from doorward.cli.failure import Failure
from doorward.cli.parser import Parser, text
from doorward.core.sqlite_file import BESIDE, find_damage, reading
from doorward.core.vault import KEY_FILE
from doorward.settings import Settings

EXAMPLES = """
    doorward backup /backup/doorward.db
    doorward backup - | gzip > "doorward-$(date +%F).db.gz"
"""
PG_DUMP = 'PostgreSQL has its own tool: pg_dump --format=custom --file=doorward.dump "$DOORWARD_DATABASE_URL"'
NOTE = "The secret key is not in it: keep {} too, in another place"


def arguments(parser: Parser) -> None:
    parser.add_argument("file", type=text, metavar="FILE", help="`-` writes to standard output")
    parser.show_examples(EXAMPLES)
    parser.set_defaults(run=backup)


def backup(settings: Settings, args: argparse.Namespace) -> None:
    """Copy the database as it is at one moment. An existing file is replaced, whole or not at all. Raises Failure."""
    database = settings.sqlite_file
    if database is None:
        raise Failure(PG_DUMP)
    if not database.exists():
        raise Failure(f"there is no database at {database}: check DOORWARD_DATA_DIR and DOORWARD_DATABASE_URL")
    # Else the copy of a file that was damaged since would take the place of the last good one.
    if damage := find_damage(database):
        raise Failure(f"{database} is damaged ({damage}): nothing was written")
    if args.file == "-":
        _to_standard_output(database)
    else:
        copy(database, Path(args.file))
        print(f"Copied {database} to {args.file} ({Path(args.file).stat().st_size:,} bytes)")
    key = "DOORWARD_SECRET_KEY" if settings.secret_key else str(settings.data_dir / KEY_FILE)
    print(NOTE.format(key), file=sys.stderr)


def copy(source: Path, target: Path) -> None:
    """Copy a database, in use or not, over `target`, readable by its owner alone. Raises Failure, OSError."""
    draft = Path(tempfile.mkdtemp(prefix=".doorward-", dir=target.parent)) / target.name
    try:
        with closing(reading(source)) as read, closing(sqlite3.connect(draft)) as written:
            read.backup(written)
            written.execute("PRAGMA journal_mode=DELETE")  # one file that can be read where nothing can be written
        _to_disk(draft)
        # What an older file left beside it would be taken for the newest changes of this one.
        for end in BESIDE:
            target.with_name(target.name + end).unlink(missing_ok=True)
        draft.replace(target)
    except sqlite3.Error as error:
        raise Failure(f"{source} can't be copied to {target}: {error}") from error
    finally:
        shutil.rmtree(draft.parent)


def _to_standard_output(database: Path) -> None:
    if sys.stdout.isatty():
        raise Failure("a database is nothing for a terminal: write it to a file or into a pipe")
    # Beside it, where a file of that size and secrecy has its place.
    draft = Path(tempfile.mkdtemp(prefix=".backup-", dir=database.parent))
    try:
        copy(database, draft / "copy")
        with (draft / "copy").open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    finally:
        shutil.rmtree(draft)


def _to_disk(path: Path) -> None:
    path.chmod(0o600)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
