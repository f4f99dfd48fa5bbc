"""Connections to an SQLite file."""

import os
import sqlite3
import stat
from contextlib import suppress
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from doorward.core.limits import Limits

BUSY_S = 10
PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-512")
"""With `synchronous=FULL`, what was answered survives a power cut, not only a crash of the process."""

PRIVATE = 0o600


class Link(sqlite3.Connection):
    """A connection whose commit tells when there is nothing to commit any more."""

    def commit(self) -> None:
        """Raises sqlite3.OperationalError when the transaction was undone.

        SQLite does so by itself at some errors, such as a full disk, and whoever gave the statement may have taken no
        notice (https://www.sqlite.org/lang_transaction.html section 3). What was given after that is done, each
        statement by itself: so nobody may go on after an error.
        """
        if not self.in_transaction:
            raise sqlite3.OperationalError("the transaction was undone before its end")
        super().commit()


def make_engine(url: str, limits: Limits) -> Engine:
    """For `sqlite:///` and a path, whose signs stand for themselves, as for all that looks at the file."""
    file = _file_of(url)
    return sa.create_engine(
        "sqlite://",
        creator=lambda: _opened(file),
        poolclass=sa.QueuePool,
        pool_size=limits.pool,
        max_overflow=0,
        pool_use_lifo=True,
    )


def begin(connection: sqlite3.Connection, *, writes: bool) -> None:
    """Begin a transaction; one that `writes` takes the write lock at once."""
    connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN").close()


def connect(url: str) -> sqlite3.Connection:
    """A connection in autocommit; the file is made where it is not there, for its owner alone. Raises sqlite3.Error."""
    return _opened(_file_of(url))


def _file_of(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


def _opened(file: Path) -> sqlite3.Connection:
    _make_private(file)
    there = f"{file.absolute().as_uri()}?mode=rw"
    connection = sqlite3.connect(
        there, uri=True, isolation_level=None, check_same_thread=False, timeout=BUSY_S, factory=Link
    )
    try:
        for pragma in PRAGMAS:
            connection.execute(f"PRAGMA {pragma}").close()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _make_private(file: Path) -> None:
    """Make the file, which is a database while it is empty; those beside it get its mode from SQLite.

    Not by opening it: as any of its descriptors is closed, a process loses all locks that it has on it (fcntl(2)). What
    keeps it from being made is for SQLite to tell.
    """
    with suppress(OSError):
        os.mknod(file, stat.S_IFREG | PRIVATE)
