"""Statements that are compiled once and run by the driver itself, and inserts, which differ by dialect."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import sqlalchemy as sa

if TYPE_CHECKING:
    from sqlalchemy.dialects.postgresql import Insert


class Statement:
    """A statement that the driver runs itself (docs/decisions/0018), compiled once for each dialect.

    Given as it is, or as what makes it for a dialect. An insert without `values` names its `columns`. The values that
    it is run with are whole numbers, texts, bytes and None; those of its answer are no bytes.
    """

    def __init__(self, made: sa.Executable | Callable[[str], sa.Executable], columns: Sequence[str] = ()) -> None:
        self._made = made
        self._columns = list(columns) or None
        self._compiled: dict[str, tuple[str, Sequence[str], dict[str, Any]]] = {}

    def for_driver(self, dialect: sa.Dialect, values: Mapping[str, Any]) -> tuple[str, list[Any]]:
        """The SQL and its values in their order. Raises KeyError when one is missing."""
        sql, positions, fixed = self._compiled.get(dialect.name) or self._compile(dialect)
        given = {**fixed, **values} if fixed else values
        return sql, [given[name] for name in positions]

    def _compile(self, dialect: sa.Dialect) -> tuple[str, Sequence[str], dict[str, Any]]:
        made = self._made(dialect.name) if callable(self._made) else self._made
        # PostgreSQL's protocol numbers its parameters; psycopg's own way of writing them needs its cursor.
        target = dialect if dialect.name == "sqlite" else cast("Any", type(dialect))(paramstyle="numeric_dollar")
        compiled: Any = cast("sa.ClauseElement", made).compile(dialect=target, column_keys=self._columns)
        fixed = {name: bound.value for name, bound in compiled.binds.items() if not bound.required}
        self._compiled[dialect.name] = str(compiled), compiled.positiontup or (), fixed
        return self._compiled[dialect.name]


def insert_into(table: sa.Table, dialect: str) -> "Insert":
    """An insert that can say what to do `on_conflict`."""
    # Each has its own, with the same methods; a server on SQLite loads no PostgreSQL drivers.
    if dialect == "sqlite":
        from sqlalchemy.dialects.sqlite import insert as insert_on_sqlite  # noqa: PLC0415

        return cast("Insert", insert_on_sqlite(table))
    from sqlalchemy.dialects.postgresql import insert  # noqa: PLC0415

    return insert(table)
