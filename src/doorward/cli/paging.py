"""Long lists, a page in a transaction at a time."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from doorward.core.db import Tx
from doorward.env import Env

Item = TypeVar("Item")
Cursor = TypeVar("Cursor")

PAGE = 500


def pages(
    env: Env,
    find: Callable[[Tx, int, Cursor], Sequence[Item]],
    cursor_of: Callable[[Item], Cursor],
    begin: Cursor,
    limit: int | None,
) -> Iterator[Sequence[Item]]:
    """All that is found, or `limit` of it. `find` looks up so many behind a cursor; the first page may be empty."""
    cursor, left = begin, limit
    while left is None or left > 0:
        size = PAGE if left is None else min(PAGE, left)
        with env.db.read() as tx:
            page = find(tx, size, cursor)
        yield page
        if len(page) < size:
            return
        cursor = cursor_of(page[-1])
        left = None if left is None else left - size
