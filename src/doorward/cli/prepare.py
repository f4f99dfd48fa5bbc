"""What a process needs before it begins: the data folder, the secret key and the schema."""

from contextlib import closing

from doorward.cli.failure import Failure
from doorward.core.clock import SystemClock
from doorward.core.db import Database
from doorward.core.migrate import HEAD, migrate
from doorward.core.schema import Schema, current
from doorward.core.vault import make_private_folder, secret_key_in
from doorward.settings import Settings


def prepare(settings: Settings) -> None:
    """Make what is missing, and bring an SQLite file to this release's schema; on PostgreSQL, `doorward migrate` does.

    Raises Failure, Occupied, DatabaseUnavailable.
    """
    try:
        if settings.sqlite_file is not None and not settings.sqlite_file.exists():
            make_private_folder(settings.data_dir)
        if not settings.secret_key:
            secret_key_in(settings.data_dir)
    except FileExistsError as error:
        raise Failure(f"{settings.data_dir} is no folder: set DOORWARD_DATA_DIR to one of yours") from error
    except OSError as error:
        raise Failure(f"{settings.data_dir}: {error.strerror}: set DOORWARD_DATA_DIR to a folder of yours") from error
    with closing(Database(settings.database, SystemClock(), settings.limits)) as database:
        schema = current(database)
        if not schema.bears(HEAD):
            _upgrade(settings, database, schema)


def _upgrade(settings: Settings, database: Database, schema: Schema) -> None:
    refuse_newer(schema)
    if not database.is_sqlite:
        raise Failure(f"the schema is {schema}, this release works on {HEAD}: run `doorward migrate`")
    migrate(settings.database)


def refuse_newer(schema: Schema) -> None:
    """Raises Failure for a newer release's schema that does not say that this one still works on it."""
    if schema.is_newer_than(HEAD) and not schema.bears(HEAD):
        found = f"{schema}, which takes releases of {schema.floor} and later; this one is of {HEAD}"
        raise Failure(f"the schema is of a newer release ({found}): upgrade Doorward")
