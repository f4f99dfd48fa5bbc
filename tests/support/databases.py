"""A fresh database for each test, copied from one that is migrated once."""

import itertools
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.support.folders import memory_folder
from tests.support.postgres import PostgresServer

TEMPLATE = "doorward_template"
_numbers = itertools.count(1)


def make_sqlite_template(folder: Path, migrate: Callable[[str], None]) -> Path:
    """A migrated SQLite file that can be copied as one file."""
    path = folder / f"{TEMPLATE}.sqlite3"
    migrate(f"sqlite:///{path}")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
    return path


@contextmanager
def copied_sqlite(template: Path) -> Iterator[str]:
    with memory_folder() as folder:
        path = folder / "doorward.sqlite3"
        shutil.copyfile(template, path)
        yield f"sqlite:///{path}"


def make_postgresql_template(server: PostgresServer, migrate: Callable[[str], None], name: str = TEMPLATE) -> str:
    migrate(server.create_database(name))
    return name


@contextmanager
def copied_postgresql(server: PostgresServer, template: str) -> Iterator[str]:
    name = f"doorward_{next(_numbers)}"
    url = server.create_database(name, template)
    try:
        yield url
    finally:
        server.drop_database(name)
