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
    first, end, after = (sa.bindparam(name, type_=sa.Text()) for name in ("first", "end", "after"))
    # By its bytes: on SQLite it is compared so, on PostgreSQL by the rules of a language.
    key = identifiers.c.key if dialect == "sqlite" else sa.collate(identifiers.c.key, "C")
    return (
        sa.select(identifiers.c.key, *COLUMNS)
        .join(users, users.c.id == identifiers.c.user_id)
        .where(key >= first, key < end, key > after)
        .order_by(key)
        .limit(sa.bindparam("limit", type_=sa.Integer()))
    )


NAMED_NEXT = Statement(_named_next)
BEYOND = chr(0x10FFFF)
"""Comes after every character that a name can hold."""


def by_prefix(reader: Reader, prefix: str, limit: int, after: str = "") -> list[tuple[str, User]]:
    """Users whose username or address begins so, in order of those names, which are given with them.

    The beginning is compared as names are (folded). `after` is the name that the page before ended with. A user of whom
    both names begin so comes once. Of an international domain only the whole is found, as it is compared in A-labels.
    """
    first = names.key(prefix)
    found: list[tuple[str, User]] = []
    while len(found) < limit:
        values = {"first": first, "end": first + BEYOND, "after": after, "limit": limit}
        rows = [(key, User(*user)) for key, *user in reader.rows(NAMED_NEXT, values)]
        found += ((key, user) for key, user in rows if not _came_before(user, key, first))
        if len(rows) < limit:
            break
        after = rows[-1][0]
    return found[:limit]


def _came_before(user: User, key: str, first: str) -> bool:
    """Whether the user is found by their other name, sooner. That is known without another look-up."""
    return any(first <= names.key(name) < key for name in (user.username, user.email))


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
