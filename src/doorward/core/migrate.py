"""How a database gets this release's schema.

One that has none gets it in one go, from the tables (docs/decisions/0019). One that has an older release's gets it by
Alembic's migrations, each in a transaction of its own, so that none holds locks for the next. A migration says by
`works_from = "0003"` which is the oldest schema version whose code works with what it changes (docs/decisions/0012).
"""

import re
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import sqlalchemy as sa

from doorward.core.clock import SystemClock
from doorward.core.db import Database
from doorward.core.errors import DatabaseUnavailable
from doorward.core.limits import Limits
from doorward.core.schema import TABLE, current_in, lacks_room, make_room, state_floor, state_version
from doorward.core.sqlstates import locked_out
from doorward.core.tables import metadata

if TYPE_CHECKING:
    from alembic.config import Config

T = TypeVar("T")

HEAD = "0008"
"""The schema version that this release works on."""
FLOOR = "0003"
"""The oldest version whose code works on it. Both are written down here so that a new database is made without reading
the migrations; a test holds them against those."""

VERSION = re.compile(r"\d{4}")
"""What versions are called; other programs that use Alembic have other names."""
MIGRATIONS = Path(__file__).parent / "migrations"
TURN = 7_262_311
LOCK_S = 1
PATIENT = Limits(pool=2, statement_s=0, lock_s=LOCK_S)
"""A large table takes its time to change; but whoever waits for a lock holds up all who come for it after them, and
those wait for two seconds."""
TRIES = 20
PAUSE_S = 2


class Locked(Exception):
    """Something has held a lock that the migration to this version needs for as long as it was tried."""


class Occupied(Exception):
    """The database has no schema of Doorward's, but tables or views of these names, which are somebody else's."""


@dataclass(frozen=True)
class Migration:
    """`floor` is the oldest version whose code works on the schema once this is done."""

    version: str
    what: str
    floor: str
    is_contract: bool
    """Takes something away: the floor rises, and older servers stop serving."""

    def stops(self, version: str | None) -> bool:
        """Whether servers that were written for that version stop serving."""
        return version is not None and self.floor > version


def history(folder: Path = MIGRATIONS) -> list[Migration]:
    """All migrations of this release, oldest first."""
    from alembic.script import ScriptDirectory  # noqa: PLC0415 -- a start on a current schema does without Alembic

    scripts = list(ScriptDirectory.from_config(alembic_config(folder)).walk_revisions())[::-1]
    # One that doesn't say works with no code but its own. What once went away is gone: the floor never sinks.
    stated = (getattr(script.module, "works_from", None) or script.revision for script in scripts)
    floors = list(accumulate(stated, max))
    return [
        Migration(script.revision, script.doc.rstrip("."), floor, is_contract=floor > before)
        for script, floor, before in zip(scripts, floors, [floors[0], *floors], strict=False)
    ]


def due(version: str | None, folder: Path = MIGRATIONS) -> list[Migration]:
    """What a database of that version lacks, oldest first."""
    return [each for each in history(folder) if version is None or each.version > version]


def migrate(url: str, between: Callable[[int], None] | None = None) -> None:
    """Bring the schema to this release's version; on one that has it, nothing happens.

    A lock that another holds is tried for `TRIES` times; `between` two of them is called with the number that is left,
    and pauses. Raises Occupied, Locked, DatabaseUnavailable: a new schema is made whole or not at all; of an older one,
    the migrations before the one that failed are done.
    """
    with closing(Database(url, SystemClock(), PATIENT)) as database:
        is_made = _try_again(between, HEAD, partial(_create, database))
    if not is_made:
        upgrade(url, between)


def upgrade(url: str, between: Callable[[int], None] | None = None, folder: Path = MIGRATIONS) -> None:
    """As `migrate`, by migrations, whatever the database has; they may be another release's."""
    with closing(Database(url, SystemClock(), PATIENT)) as database:
        try_again = partial(_try_again, between)
        with database.read() as tx:
            missing, version = lacks_room(tx), current_in(tx).version
        todo = due(version, folder)
        if todo and missing:
            # By itself: each question whether a server is ready reads that table.
            try_again(HEAD, lambda: _make_room(database))
        for migration in todo:
            try_again(migration.version, partial(_apply, database, migration, folder))


def _try_again(between: Callable[[int], None] | None, version: str, step: Callable[[], T]) -> T:
    left = TRIES
    while True:
        try:
            return step()
        except DatabaseUnavailable as error:
            left -= 1
            if not locked_out(error.__cause__):
                raise
            if not left:
                raise Locked(version) from error
        (between or _pause)(left)


def _pause(_left: int) -> None:
    time.sleep(PAUSE_S)


def _create(database: Database) -> bool:
    """Make the schema in a database that has none; False where there is one, of whatever version."""
    with database.write() as tx:
        # Of those that start at once, one makes it.
        tx.wait_for_turn(TURN)
        version = current_in(tx).version
        if version is not None:
            if not VERSION.fullmatch(version):
                raise Occupied(TABLE.name)
            return False
        there = sa.inspect(tx.connection)
        if taken := metadata.tables.keys() & {*there.get_table_names(), *there.get_view_names()}:
            raise Occupied(", ".join(sorted(taken)))
        metadata.create_all(tx.connection, checkfirst=False)
        make_room(tx)
        state_version(tx, HEAD, FLOOR)
    return True


def _make_room(database: Database) -> None:
    with database.write() as tx:
        tx.wait_for_turn(TURN)
        make_room(tx)


def _apply(database: Database, migration: Migration, folder: Path) -> None:
    from alembic import command  # noqa: PLC0415 -- see above

    with database.write() as tx:
        # Two that migrate at once: the second waits, then finds it done.
        tx.wait_for_turn(TURN)
        version = current_in(tx).version
        if version is not None and version >= migration.version:
            return
        config = alembic_config(folder)
        config.attributes["connection"] = tx.connection
        command.upgrade(config, migration.version)
        state_floor(tx, migration.floor)


def alembic_config(folder: Path = MIGRATIONS) -> "Config":
    """Alembic's configuration, without a file."""
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(folder))
    return config
