"""The schema's versions, by Alembic."""

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import sqlalchemy as sa

from doorward.core.clock import SystemClock
from doorward.core.db import Database
from doorward.core.limits import Limits

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0005"
"""The schema version that this release works on (a test holds it against the migrations)."""

TURN = 7_262_311
PATIENT = Limits(pool=2, statement_s=0, lock_s=2)
"""A large table takes its time to change; but whoever waits for a lock holds up all who come for it after them."""
VERSION: sa.Select[Any] = sa.select(sa.column("version_num")).select_from(sa.table("alembic_version"))


def current(database: Database) -> str | None:
    """The version of the schema in the database, None when it is empty. Raises DatabaseUnavailable."""
    with database.read() as tx:
        if not sa.inspect(tx.connection).has_table("alembic_version"):
            return None
        return cast("str | None", tx.execute(VERSION).scalar())


def migrate(url: str) -> None:
    """Bring the schema to this release's version; on one that has it, nothing happens."""
    from alembic import command  # noqa: PLC0415 -- a start on a current schema does without Alembic

    with closing(Database(url, SystemClock(), PATIENT)) as database:
        config = alembic_config()
        with database.write() as tx:
            # Two that migrate at once: the second waits, then finds nothing to do.
            tx.wait_for_turn(TURN)
            config.attributes["connection"] = tx.connection
            command.upgrade(config, "head")


def alembic_config() -> "Config":
    """Alembic's configuration, without a file."""
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config
