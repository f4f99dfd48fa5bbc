"""Finding users among many: by the beginning of a name, in order, a page at a time; each by an index alone."""

import base64
import binascii
from typing import Any

import sqlalchemy as sa

from doorward.core.db import Reader
from doorward.core.statements import Statement
from doorward.core.tables import identifiers, users
from doorward.users import names
from doorward.users.store import COLUMNS, User


def _named_next(dialect: str) -> sa.Select[Any]:
    first, begin, end = (sa.bindparam(name, type_=sa.Text()) for name in ("first", "begin", "end"))
    other = identifiers.alias()
    key, other_key = (_by_bytes(table.c.key, dialect) for table in (identifiers, other))
    came_before = sa.exists().where(other.c.user_id == identifiers.c.user_id, other_key >= first, other_key < key)
    return (
        sa.select(identifiers.c.key, *COLUMNS)
        .join(users, users.c.id == identifiers.c.user_id)
        # Most users have one name, and need not be looked up by another.
        .where(key >= begin, key < end, sa.or_(users.c.username == users.c.email, ~came_before))
        .order_by(key)
        .limit(sa.bindparam("limit", type_=sa.Integer()))
    )


def _by_bytes(column: Any, dialect: str) -> Any:
    """The column, compared by its bytes: on SQLite it is, on PostgreSQL it would be by the rules of a language."""
    return column if dialect == "sqlite" else sa.collate(column, "C")


NAMED_NEXT = Statement(_named_next)
BEFORE_ALL, BEYOND = chr(1), chr(0x10FFFF)
"""Come before and after every character that a name can hold."""


def by_prefix(reader: Reader, prefix: str, limit: int, after: str = "") -> list[tuple[str, User]]:
    """Users whose username or address begins so, in order of those names, which are given with them.

    The beginning is compared as names are (folded). `after` is the name that the page before ended with. A user of whom
    both names begin so comes once. Of an international domain only the whole is found, as it is compared in A-labels.
    """
    first = names.key(prefix)
    # One lower bound: of two, SQLite seeks the one and goes through all that is not beyond the other.
    begin = max(first, after + BEFORE_ALL) if after else first
    values = {"first": first, "begin": begin, "end": first + BEYOND, "limit": limit}
    return [(key, User(*user)) for key, *user in reader.rows(NAMED_NEXT, values)]


def cursor_of(name: str) -> str:
    """A name as a part of an address: where the next page begins."""
    return base64.urlsafe_b64encode(name.encode()).decode().rstrip("=")


def name_of(cursor: str) -> str | None:
    """The name that a cursor stands for; None where it is none."""
    try:
        name = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    return None if "\0" in name else name
