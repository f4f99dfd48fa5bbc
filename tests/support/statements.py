"""What is put to the database: every statement of this process, whether SQLAlchemy runs it or the driver alone."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import sqlalchemy as sa

from doorward.core import driver

NUMBERED = re.compile(r"\$(\d+)")


@contextmanager
def each_statement(note: Callable[[str, Any], None]) -> Iterator[None]:
    """Call `note` with each statement, and the values or the first of many, before it is run.

    Of PostgreSQL's two ways to write parameters, all come in psycopg's.
    """
    run_by_driver = driver.rows

    def noted(connection: Any, sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        places = [int(number) - 1 for number in NUMBERED.findall(sql)]
        note(NUMBERED.sub("%s", sql), tuple(values[place] for place in places) if places else tuple(values))
        return run_by_driver(connection, sql, values)

    def before(_connection: Any, _cursor: Any, sql: str, values: Any, _context: Any, many: bool) -> None:  # noqa: FBT001
        note(sql, values[0] if many else values)

    sa.event.listen(sa.Engine, "before_cursor_execute", before)
    try:
        with patch.object(driver, "rows", noted):
            yield
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", before)
