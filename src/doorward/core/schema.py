"""Which version the schema in a database has, and the oldest one whose code still works on it: its floor.

Both stand in one row of Alembic's own table, so that whoever reads the version reads the floor with it. The migration
states it (docs/decisions/0012): older code can't know what comes after it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from doorward.core.db import Database, Tx
from doorward.core.statements import Statement

TABLE = sa.Table(
    "alembic_version",
    sa.MetaData(),
    sa.Column("version_num", sa.String(32), nullable=False),
    # For which version the floor was stated: one that was stated for another says nothing.
    sa.Column("stated_for", sa.String(32)),
    sa.Column("works_from", sa.String(32)),
    sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
# A database that an earlier release has migrated has the first column only.
STATED: sa.Select[Any] = sa.select(sa.text("*")).select_from(TABLE)
PROBED = Statement(STATED)


@dataclass(frozen=True)
class Schema:
    """`version` is None for an empty database. Versions are four digits, so that they sort as texts."""

    version: str | None = None
    floor: str | None = None

    @classmethod
    def of(cls, row: Sequence[str | None] | None) -> "Schema":
        """From a row of `STATED`. Where no floor was stated, no older code works."""
        version, stated_for, works_from = (*(row or ()), None, None, None)[:3]
        return cls(version, works_from if stated_for == version and works_from else version)

    def bears(self, code: str) -> bool:
        """Whether code that was written for that version works on this one."""
        return self.version is not None and self.floor is not None and self.floor <= code <= self.version

    def is_newer_than(self, code: str) -> bool:
        return self.version is not None and self.version > code

    def __str__(self) -> str:
        return self.version or "empty"


def current(database: Database) -> Schema:
    """Raises DatabaseUnavailable."""
    with database.read() as tx:
        return current_in(tx)


def probed(database: Database) -> Schema:
    """As `current`, of a database that was migrated before; within two seconds. Raises DatabaseUnavailable."""
    return Schema.of(database.probes().first(PROBED, {}))


def current_in(tx: Tx) -> Schema:
    if not sa.inspect(tx.connection).has_table(TABLE.name):
        return Schema()
    return Schema.of(tx.execute(STATED).first())


def lacks_room(tx: Tx) -> bool:
    """Whether there is no table yet, or one of an earlier release."""
    return bool(_missing_columns(tx))


def make_room(tx: Tx) -> None:
    """Give the table all its columns, if it lacks any."""
    TABLE.create(tx.connection, checkfirst=True)
    for name in _missing_columns(tx):
        tx.connection.exec_driver_sql(f"ALTER TABLE {TABLE.name} ADD COLUMN {name} VARCHAR(32)")


def _missing_columns(tx: Tx) -> list[str]:
    inspector = sa.inspect(tx.connection)
    there = inspector.get_columns(TABLE.name) if inspector.has_table(TABLE.name) else []
    names = {column["name"] for column in there}
    return [column.name for column in TABLE.columns if column.name not in names]


def state_version(tx: Tx, version: str, floor: str) -> None:
    """For a database that had none, with its floor."""
    tx.execute(sa.insert(TABLE).values(version_num=version, stated_for=version, works_from=floor))


def state_floor(tx: Tx, floor: str) -> None:
    """For the version that the database has."""
    tx.execute(sa.update(TABLE).values(stated_for=TABLE.c.version_num, works_from=floor))
