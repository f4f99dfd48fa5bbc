"""`doorward restore`: a copy takes the SQLite database's place."""

import argparse
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from doorward.cli.backup import copy
from doorward.cli.failure import Failure
from doorward.cli.parser import Parser, text
from doorward.cli.prepare import refuse_newer
from doorward.core.schema import Schema
from doorward.core.sqlite_file import find_damage, reading
from doorward.core.vault import make_private_folder
from doorward.settings import Settings

EXAMPLES = """
    doorward restore --force /backup/doorward.db
    gunzip -c doorward.db.gz | doorward restore --force -
"""
PG_RESTORE = (
    "PostgreSQL has its own tool: "
    'pg_restore --clean --if-exists --dbname="$DOORWARD_DATABASE_URL" doorward.dump'
)  # fmt: skip


def arguments(parser: Parser) -> None:
    parser.add_argument(
        "file", type=text, metavar="FILE", help="what `doorward backup` wrote; `-` reads standard input"
    )
    parser.show_examples(EXAMPLES)
    parser.add_argument("--force", action="store_true", help="replace the database that is there")
    parser.set_defaults(run=restore)


def restore(settings: Settings, args: argparse.Namespace) -> None:
    """Raises Failure, and then the present database is as it was."""
    database = settings.sqlite_file
    if database is None:
        raise Failure(PG_RESTORE)
    with _source(args.file, database.parent) as source:
        _require_copy(source)
        make_private_folder(database.parent)
        with _out_of_use(database):
            if database.exists() and not args.force:
                raise Failure(f"{database} is there already: `--force` replaces it, and what is in it is lost")
            copy(source, database)
    origin = "standard input" if args.file == "-" else args.file
    print(f"Restored {database} from {origin}; it needs the secret key that it was made with")


@contextmanager
def _source(file: str, folder: Path) -> Iterator[Path]:
    """The file to restore; standard input is kept in the folder meanwhile, where there is room for a database."""
    if file != "-":
        yield Path(file)
        return
    if sys.stdin.isatty():
        raise Failure("there is nothing on standard input: `doorward restore - < FILE`, or name the file")
    make_private_folder(folder)
    draft = Path(tempfile.mkdtemp(prefix=".restore-", dir=folder))
    try:
        kept = draft / "standard-input"
        with kept.open("wb") as written:
            shutil.copyfileobj(sys.stdin.buffer, written)
        yield kept
    finally:
        shutil.rmtree(draft)


def _require_copy(source: Path) -> None:
    """Raises Failure for a file that is no whole Doorward database on which this release works, OSError."""
    source.open("rb").close()
    try:
        with closing(reading(source)) as connection:
            schema = Schema.of(connection.execute("SELECT * FROM alembic_version").fetchone())
    except sqlite3.Error as error:
        raise Failure(f"{source} is no back-up of Doorward ({error}): nothing was changed") from error
    if find_damage(source) or schema.version is None:
        raise Failure(f"{source} is damaged: nothing was changed")
    refuse_newer(schema)


@contextmanager
def _out_of_use(database: Path) -> Iterator[None]:
    """Hold the database so that no server has it open meanwhile. Raises Failure when one has."""
    if not database.exists():
        yield
        return
    with closing(sqlite3.connect(database, isolation_level=None, timeout=0)) as connection:
        try:
            # Leaving WAL takes every other connection's absence, and leaves no file beside the database's own.
            connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            connection.execute("PRAGMA journal_mode=DELETE")
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            raise Failure(f"{database} is in use: stop the service first") from error
        except sqlite3.DatabaseError:
            pass  # damaged, which may be why it is to be replaced
        yield
