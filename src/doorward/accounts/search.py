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


def _found(dialect: str) -> sa.Select[Any]:
    first, end, after = (sa.bindparam(name, type_=sa.Text()) for name in ("first", "end", "after"))
    key, other = identifiers.c.key, identifiers.alias()
    by_bytes, other_by_bytes = _by_bytes(key, dialect), _by_bytes(other.c.key, dialect)
    twice = sa.exists().where(
        other.c.user_id == identifiers.c.user_id, other_by_bytes >= first, other_by_bytes < by_bytes
    )
    return (
        sa.select(key, *COLUMNS)
        .join(users, users.c.id == identifiers.c.user_id)
        .where(by_bytes >= first, by_bytes < end, by_bytes > after, ~twice)
        .order_by(by_bytes)
        .limit(sa.bindparam("limit", type_=sa.Integer()))
    )


def _by_bytes(column: Any, dialect: str) -> Any:
    """The column, compared by its bytes: on SQLite it is, on PostgreSQL it would be by the rules of a language."""
    return column if dialect == "sqlite" else sa.collate(column, "C")


FOUND = Statement(_found)
BEYOND = chr(0x10FFFF)
"""Comes after every character that a name can hold."""


def by_prefix(reader: Reader, prefix: str, limit: int, after: str = "") -> list[tuple[str, User]]:
    """Users whose username or address begins so, in order of those names, which are given with them.

    The beginning is compared as names are (folded). `after` is the name that the page before ended with. A user of whom
    both names begin so comes once. Of an international domain only the whole is found, as it is compared in A-labels.
    """
    first = names.key(prefix)
    values = {"first": first, "end": first + BEYOND, "after": after, "limit": limit}
    return [(key, User(*user)) for key, *user in reader.rows(FOUND, values)]


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
