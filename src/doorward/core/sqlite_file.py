"""An SQLite file, looked at from outside: whether it is damaged, torn by a disk that lied or with bits flipped in it.

SQLite has no checksum of its pages: what is found is whatever breaks their structure or a column's rules, not a letter
that became another one.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

LARGEST_AT_START = 256 * 2**20
"""In bytes. `PRAGMA quick_check` reads 400 MB a second from memory: a start is held up by no more than that takes."""

BESIDE = ("-wal", "-shm", "-journal")
"""How the names of the files end that SQLite puts beside a database."""

HEADER_BYTES = 100
LARGEST_PAGE = 65_536
"""In bytes; it does not fit into the header, where a 1 stands for it."""


class Damaged(Exception):
    """The database file is damaged; the message is what SQLite says."""


def require_sound(path: Path) -> None:
    """Go through the file, unless it is too large for that at a start. Raises Damaged."""
    if path.exists() and path.stat().st_size <= LARGEST_AT_START and (found := find_damage(path)):
        raise Damaged(found)


def find_damage(path: Path) -> str | None:
    """The first damage in the whole file, in SQLite's words; None where there is none, or the file can't be read."""
    try:
        if _is_short(path):
            return "its end is missing"
        with closing(reading(path)) as connection:
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except (OSError, sqlite3.DatabaseError) as error:
        return str(error) if is_damage(error) else None
    # The first line may only say which database it is in.
    return None if found == "ok" else str(found).rpartition("\n")[2]


def _is_short(path: Path) -> bool:
    """Whether the file ends before its last page does, which SQLite reads as zeros. Raises OSError.

    By its header (https://www.sqlite.org/fileformat.html section 1.3). With a log beside it, the end may be in there.
    """
    log = path.with_name(path.name + "-wal")
    if log.exists() and log.stat().st_size:
        return False
    with path.open("rb") as file:
        header = file.read(HEADER_BYTES)
    page = int.from_bytes(header[16:18], "big")
    return path.stat().st_size < (LARGEST_PAGE if page == 1 else page) * int.from_bytes(header[28:32], "big")


def is_damage(error: BaseException | None) -> bool:
    """Whether SQLite failed by the file's content."""
    return _code(error) in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def is_refused(error: BaseException | None) -> bool:
    """Whether SQLite failed because the file, or one beside it, may not be opened or written to."""
    return _code(error) in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}


def reading(path: Path) -> sqlite3.Connection:
    """A connection that can't change the database. Raises sqlite3.Error."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)


def _code(error: BaseException | None) -> int | None:
    """The primary code, which is the lowest byte of what SQLite tells (sqlite3_errcode); None for another error."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF
