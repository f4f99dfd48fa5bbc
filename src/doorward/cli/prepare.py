"""What a process needs before it begins: the data folder, the secret key and the schema."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from doorward.cli.failure import Failure
from doorward.core.clock import SystemClock
from doorward.core.db import Database
from doorward.core.migrate import HEAD, migrate
from doorward.core.schema import Schema, current
from doorward.core.vault import KEY_FILE, Vault, make_private_folder, make_secret_key, read_secret_key
from doorward.settings import Settings
from doorward.tokens.keyring import Keyring, has_keys

LOST_KEY = (
    "{} is not there, and the database holds what only it opens: put it back from its back-up, or set "
    "DOORWARD_SECRET_KEY to the key that the database was made with"
)


def prepare(settings: Settings) -> None:
    """Make what is missing, and bring an SQLite file to this release's schema; on PostgreSQL, `doorward migrate` does.

    Raises Failure, Occupied, NoSecretKey, WrongSecretKey, DatabaseUnavailable.
    """
    if settings.sqlite_file is not None and not settings.sqlite_file.exists():
        # SQLite makes the file, and no folder for it.
        with _data_folder_faults(settings.data_dir):
            make_private_folder(settings.data_dir)
    with closing(Database(settings.database, SystemClock(), settings.limits)) as database:
        schema = current(database)
        refuse_newer(schema)
        if not settings.secret_key:
            _ensure_secret_key(settings, database, schema)
        if not schema.bears(HEAD):
            _upgrade(settings, database, schema)


@contextmanager
def _data_folder_faults(folder: Path) -> Iterator[None]:
    """What can't be made in it becomes a Failure that names the setting."""
    try:
        yield
    except FileExistsError as error:
        raise Failure(f"{folder} is no folder: set DOORWARD_DATA_DIR to one of yours") from error
    except OSError as error:
        raise Failure(f"{folder}: {error.strerror}: set DOORWARD_DATA_DIR to a folder of yours") from error


def _ensure_secret_key(settings: Settings, database: Database, schema: Schema) -> None:
    """Make the data folder's secret key if it is not there, but only where former keys open all that the database has.

    The database is looked at first: of two that start at once, the other may make both in between.
    """
    is_sealed = schema.version is not None and has_keys(database)
    path = settings.data_dir / KEY_FILE
    if not path.exists():
        if is_sealed:
            _require_former_key(settings, database, path)
        with _data_folder_faults(settings.data_dir):
            make_secret_key(settings.data_dir)
    read_secret_key(settings.data_dir)


def _require_former_key(settings: Settings, database: Database, path: Path) -> None:
    """A new key is made while the former ones still open what they have sealed (docs/rotate-keys.md), never else."""
    if not settings.previous_secret_keys:
        raise Failure(LOST_KEY.format(path))
    former, *others = settings.previous_secret_keys
    Keyring(database, Vault(former, others), SystemClock(), settings.token_algorithm).reload()


def _upgrade(settings: Settings, database: Database, schema: Schema) -> None:
    if not database.is_sqlite:
        raise Failure(f"the schema is {schema}, this release works on {HEAD}: run `doorward migrate`")
    migrate(settings.database)


def refuse_newer(schema: Schema) -> None:
    """Raises Failure for a newer release's schema that does not say that this one still works on it."""
    if schema.is_newer_than(HEAD) and not schema.bears(HEAD):
        found = f"{schema}, which takes releases of {schema.floor} and later; this one is of {HEAD}"
        raise Failure(f"the schema is of a newer release ({found}): upgrade Doorward")
