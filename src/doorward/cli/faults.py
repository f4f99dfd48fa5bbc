"""What an expected error says on the command line: one line that says what to do, and the exit code."""

from dataclasses import dataclass

import sqlalchemy as sa

from doorward.accounts.flows import NameTaken, NoSuchUser, NotInvited
from doorward.administration.keys import KeyNameTaken, NoSuchAdminKey
from doorward.cli.failure import Failure
from doorward.core.errors import CATALOGUE, BadInput, DatabaseUnavailable, Refused
from doorward.core.migrate import Locked, Occupied
from doorward.core.sqlite_file import Damaged, is_damage, is_refused
from doorward.core.sqlstates import is_forbidden
from doorward.core.vault import SHORTEST_SECRET_KEY, NoSecretKey, WrongSecretKey
from doorward.mail.brands import BrandError
from doorward.passwords.filter import FilterError
from doorward.settings import SettingsError
from doorward.tokens.keyring import NoSuchKey
from doorward.users.names import INVALID_ADDRESS

FAILED, WRONG_SETTING = 1, 2
WRONG_KEY = (
    "the signing keys can't be opened: DOORWARD_SECRET_KEY (or secret.key in the data folder) is not "
    "the one that this database was made with"
)
NO_KEY_IN_FILE = (
    "{} holds no secret key, which has "
    f"{SHORTEST_SECRET_KEY} characters or more: put it back from its back-up; for a new database, remove it"
)

LOCKED = (
    "the migration to {} needs a lock that something else has held all the time, a long transaction or another "
    "migration: end it (pg_stat_activity shows it), then run `doorward migrate` again; servers go on as before"
)

OCCUPIED = (
    "the database has no schema of Doorward's, but tables of the same names, which are somebody else's ({}): "
    "give Doorward a database of its own by DOORWARD_DATABASE_URL"
)

MEND_DATABASE = "check DOORWARD_DATABASE_URL, and that the server runs or the file's folder is there"

FORBIDDEN = (
    "the database role may not do so ({}): `doorward migrate` needs DOORWARD_DATABASE_URL with the role that owns the "
    'tables, all else the rights that `doorward check` finds missing; docs/operations.md says more under "Two roles"'
)

DAMAGED = (
    "the database file is damaged ({}): keep a copy of it, then `doorward restore --force FILE` puts a back-up in its "
    'place; docs/operations.md says more under "A damaged file"'
)
MEND_FILE = "let the user whom Doorward runs as write to its folder and to all files in it"

MENDS = {INVALID_ADDRESS: ": write it like ann@example.org"}


@dataclass(frozen=True)
class Fault:
    """What to print, and how to end."""

    line: str
    exit_code: int = FAILED


def explain(error: Exception) -> Fault | None:  # noqa: C901, PLR0911, PLR0912 -- a table of cases
    """The words for an expected error; None for one that is a fault of the program."""
    match error:
        case SettingsError() | BrandError() | FilterError():
            return Fault(_one_line(str(error)), WRONG_SETTING)
        case sa.exc.ArgumentError():
            return Fault("`database_url` is no URL: write it like postgresql://user@host/name", WRONG_SETTING)
        case Damaged():
            return Fault(DAMAGED.format(error))
        case DatabaseUnavailable() if is_damage(error.__cause__):
            return Fault(DAMAGED.format(error.__cause__))
        case DatabaseUnavailable():
            return Fault(f"{unavailable(error)}: {mend_database(error)}")
        case Locked():
            return Fault(LOCKED.format(error))
        case Occupied():
            return Fault(OCCUPIED.format(error))
        case WrongSecretKey():
            return Fault(WRONG_KEY)
        case NoSecretKey():
            return Fault(NO_KEY_IN_FILE.format(error))
        case _ if is_forbidden(cause := getattr(error, "orig", error)):
            return Fault(FORBIDDEN.format(_one_line(str(cause).partition("\n")[0])))
        case NoSuchKey():
            return Fault(f"there is no key {str(error)!r}: `doorward keys list` shows all")
        case NoSuchAdminKey():
            return Fault(f"there is no key {str(error)!r}: `doorward admin keys list` shows all")
        case KeyNameTaken():
            return Fault(f"there is or was a key {str(error)!r}: choose another name, as events tell by it who acted")
        case NoSuchUser():
            return Fault(f"there is no user {str(error)!r}: `doorward users list` shows all")
        case NameTaken():
            return Fault(f"{str(error)!r} is another user's: `doorward users show {error}` tells whose")
        case NotInvited():
            return Fault(
                f"{str(error)!r} has a password: the invitation is over (`doorward users delete` deletes a user)"
            )
        case Failure() | BadInput():
            line = _one_line(str(error))
            return Fault(line + MENDS.get(line, ""))
        case Refused():
            return Fault(f"{error.code}: {CATALOGUE[error.code][1]}")
        case OSError():
            return Fault(f"{error.filename or 'the system'}: {error.strerror or error}: check the path and its mode")
    return None


def unavailable(error: Exception) -> str:
    """That the database can't be used, in the driver's words (which hold no password)."""
    reason = _one_line(str(error.__cause__ or ""))[:200]
    return "the database can't be reached" + (f" ({reason})" if reason else "")


def mend_database(error: Exception) -> str:
    """What to do about a database that can't be used."""
    return MEND_FILE if is_refused(error.__cause__) else MEND_DATABASE


def _one_line(text: str) -> str:
    return " ".join(text.split())
