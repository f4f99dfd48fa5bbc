"""Lists by the page: one more than fits is looked up, and tells whether there is another page."""

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Cursor = TypeVar("Cursor")

ID = re.compile(r"[0-9]{1,18}")
"""An id as a part of an address: as many digits as a 64-bit integer surely holds."""


def cut(found: Sequence[Item], limit: int, cursor_of: Callable[[Item], Cursor]) -> tuple[Sequence[Item], Cursor | None]:
    """A page of what was found, one more than fits if there are more, and the cursor of the next page."""
    return found[:limit], cursor_of(found[limit - 1]) if len(found) > limit else None
