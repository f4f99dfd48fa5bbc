"""What `doorward check` looks at. Nothing here makes or changes anything."""

import os
import shlex
import shutil
import smtplib
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, cast
from urllib.parse import urlsplit

import sqlalchemy as sa

from doorward.cli.faults import NO_KEY_IN_FILE, WRONG_KEY, mend_database, unavailable
from doorward.cli.mail import server_of
from doorward.core import rights
from doorward.core.client import is_loopback
from doorward.core.clock import DAY, SECOND, SystemClock, iso
from doorward.core.db import Database
from doorward.core.errors import DatabaseUnavailable
from doorward.core.limits import Limits
from doorward.core.migrate import HEAD
from doorward.core.schema import Schema, current
from doorward.core.sqlite_file import BESIDE, find_damage
from doorward.core.statements import Statement
from doorward.core.tables import events
from doorward.core.vault import KEY_FILE, NoSecretKey, Vault, WrongSecretKey, read_secret_key
from doorward.mail.brands import BrandError, load_brands
from doorward.mail.delivery import Smtp
from doorward.mail.message import one_line
from doorward.mail.render import Renderer
from doorward.reseal import left
from doorward.settings import FIELDS, Settings
from doorward.tokens.keyring import Keyring, has_keys

State = Literal["ok", "warning", "failed"]

OTHERS = 0o077
KEY_OLD_AFTER = 365 * DAY
CLOCK_WARNING, CLOCK_WRONG = 2 * SECOND, 30 * SECOND
SMTP_PATIENCE_S = 10
SPACE_WARNING, SPACE_WRONG = 0.05, 0.01
# Where no transaction is begun, which would set one of its own.
STATEMENT_TIMEOUT = Statement(
    sa.select(sa.cast(sa.column("setting"), sa.Integer), sa.func.quote_ident(sa.literal_column("current_user")))
    .select_from(sa.table("pg_settings"))
    .where(sa.column("name") == "statement_timeout")
)
MOUNTS = Path("/proc/self/mountinfo")
NETWORK_SYSTEMS = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "gfs2", "ocfs2"}
MOUNT_ESCAPES = {"\\040": " ", "\\011": "\t", "\\012": "\n", "\\134": "\\"}


@dataclass(frozen=True)
class Point:
    """What was found; `mend` says what to do about it."""

    name: str
    state: State
    found: str
    mend: str = ""


def all_points(settings: Settings) -> Iterator[Point]:
    """Every point, in the order of a start."""
    yield _settings(settings)
    yield public_url(settings)
    yield _mails(settings)
    yield from _data_folder(settings)
    yield _secret_key(settings)
    path = settings.sqlite_file
    if path is not None:
        yield file_system(path, MOUNTS.read_text() if MOUNTS.exists() else "")
        usage = shutil.disk_usage(_nearest_there(path))
        yield disk(path, usage.total, usage.free)
        if path.exists():
            yield _file(path)
            yield from _exposed(path)
    yield from _database(settings, path)
    yield smtp(settings)
    if settings.traces_url and find_spec("opentelemetry") is None:
        yield Point("traces", "failed", "OpenTelemetry is not installed", MEND_TRACES)


MEND_TRACES = "`pip install 'doorward[otel]'`, or `make otel`"


def _settings(settings: Settings) -> Point:
    changed = sum(getattr(settings, name) != getattr(Settings(), name) for name in FIELDS)
    return Point("settings", "ok", f"{changed} of {len(FIELDS)} are not as they come: `doorward settings` shows all")


def public_url(settings: Settings) -> Point:
    """Tokens and passwords go over it, and it is the tokens' issuer."""
    url = urlsplit(settings.public_url)
    if url.scheme == "https" or is_loopback(url.hostname or ""):
        return Point("public URL", "ok", settings.public_url)
    return Point(
        "public URL",
        "failed",
        f"{settings.public_url} is http: passwords travel in the clear, and browsers drop the cookies",
        f"put a proxy with TLS in front and set DOORWARD_PUBLIC_URL to https://{url.netloc}",
    )


def _mails(settings: Settings) -> Point:
    try:
        brands = load_brands(settings.brands_file, settings.mail_sender, settings.public_url)
        Renderer(brands).verify()
    except BrandError as error:
        return Point("mails", "failed", one_line(str(error)))
    count = len(list(brands))
    return Point("mails", "ok", f"all can be rendered, in {count} brand{'s' if count > 1 else ''}")


def _data_folder(settings: Settings) -> Iterator[Point]:
    folder = settings.data_dir
    if not folder.exists():
        above = _nearest_there(folder)
        if os.access(above, os.W_OK):
            yield Point("data folder", "ok", f"{folder} is not there yet: it is made once it is needed")
        else:
            found = f"{folder} is not there, and nothing can be made in {above}"
            yield Point("data folder", "failed", found, "set DOORWARD_DATA_DIR to a folder of yours")
        return
    if not folder.is_dir() or not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        mend = "make it a folder that belongs to the user whom Doorward runs as"
        yield Point("data folder", "failed", f"{folder} can't be written", mend)
        return
    mode = folder.stat().st_mode & 0o777
    found = f"{folder} has mode {mode:04o}"
    yield (
        Point("data folder", "warning", f"{found}, 0700 is better: others can look in", f"chmod 700 {folder}")
        if mode & OTHERS
        else Point("data folder", "ok", found)
    )


def _secret_key(settings: Settings) -> Point:
    if settings.secret_key:
        return Point("secret key", "ok", f"set, {len(settings.secret_key)} characters")
    path = settings.data_dir / KEY_FILE
    return _key_file(settings, path) if path.exists() else _missing_key(settings, path)


def _key_file(settings: Settings, path: Path) -> Point:
    mode = path.stat().st_mode & 0o777
    if mode & OTHERS:
        return Point("secret key", "failed", f"{path} has mode {mode:04o}, not 0600", f"chmod 600 {path}")
    try:
        read_secret_key(settings.data_dir)
    except NoSecretKey as error:
        found, _, mend = NO_KEY_IN_FILE.format(error).partition(": ")
        return Point("secret key", "failed", found, mend)
    except OSError:
        return Point("secret key", "failed", f"{path} can't be read", "give it to the user whom Doorward runs as")
    if settings.sqlite_file is None:
        return Point("secret key", "warning", f"{path} is this machine's only", SHARE_KEY)
    return Point("secret key", "ok", f"{path} has mode {mode:04o}")


SHARE_KEY = "set DOORWARD_SECRET_KEY, the same on all servers of this database"


def _missing_key(settings: Settings, path: Path) -> Point:
    if settings.sqlite_file is None:
        return Point("secret key", "warning", f"none is set and {path} is not there", SHARE_KEY)
    return Point("secret key", "ok", f"{path} is not there: the first start on a new database makes it")


def file_system(database: Path, mountinfo: str) -> Point:
    """SQLite's locks need a file system of this machine; `mountinfo` as in proc(5)."""
    kind = _type_of(_nearest_there(database).resolve(), mountinfo)
    if kind in NETWORK_SYSTEMS:
        found = f"{database} is on {kind}, a network file system: its locks are not reliable, and SQLite needs them"
        return Point("file system", "failed", found, "move the data folder to a local disk, or use PostgreSQL")
    if kind.startswith("fuse"):
        found = f"{database} is on {kind}, which may be a network's"
        return Point("file system", "warning", found, "keep the data folder on a local disk")
    return Point("file system", "ok", kind or "not known")


def _type_of(path: Path, mountinfo: str) -> str:
    found, longest = "", -1
    for line in mountinfo.splitlines():
        fields, _, rest = line.partition(" - ")
        mount = fields.split(" ")[4]
        for escaped, char in MOUNT_ESCAPES.items():
            mount = mount.replace(escaped, char)
        # The last of several mounts at one place is the one that shows.
        if path.is_relative_to(mount) and len(mount) >= longest:
            found, longest = rest.split(" ")[0], len(mount)
    return found


def disk(database: Path, total: int, free: int) -> Point:
    """`total` and `free` in bytes."""
    share = free / total if total else 0.0
    found = f"{share:.0%} free ({free // 2**20:,} MiB) for {database}"
    if share >= SPACE_WARNING:
        return Point("disk", "ok", found)
    state: State = "failed" if share < SPACE_WRONG else "warning"
    return Point("disk", state, f"only {found}: without room nobody can log in", "make room, or move the data folder")


def _file(path: Path) -> Point:
    """All of it, however long that takes; a start goes through smaller ones only."""
    damage = find_damage(path)
    if damage:
        return Point("database file", "failed", f"{path} is damaged: {damage}", MEND_DAMAGE)
    return Point("database file", "ok", f"{path.stat().st_size / 2**20:,.1f} MiB, no damage found")


def _exposed(database: Path) -> Iterator[Point]:
    """Files that an earlier release made, or somebody put there, in a folder that lets others in."""
    files = [database.with_name(database.name + end) for end in ("", *BESIDE)]
    exposed = [str(each) for each in files if each.exists() and each.stat().st_mode & OTHERS]
    if exposed and database.parent.stat().st_mode & OTHERS:
        names = ", ".join(exposed)
        yield Point("database modes", "warning", f"others can read {names}", f"chmod 600 {shlex.join(exposed)}")


MEND_DAMAGE = "keep a copy of it, then `doorward restore --force FILE` puts a back-up in its place"


def _database(settings: Settings, path: Path | None) -> Iterator[Point]:
    if path is not None and not path.exists():
        yield Point("database", "ok", f"{path} is not there yet: the first start makes it")
        return
    with closing(Database(settings.database, SystemClock(), settings.limits)) as database:
        try:
            found = current(database)
            yield schema(found, is_sqlite=path is not None)
            if path is None:
                yield _look_ups(database, settings.limits)
                if found.bears(HEAD):
                    yield _role(database)
            if found.bears(HEAD):
                yield _signing_keys(settings, database)
                if settings.previous_secret_keys and (vault := find_vault(settings)):
                    yield _previous_keys(database, vault)
                yield _clock(database)
        except DatabaseUnavailable as error:
            yield Point("database", "failed", unavailable(error), mend_database(error))


def schema(present: Schema, *, is_sqlite: bool) -> Point:
    found = f"reachable; the schema is {present}"
    if present.bears(HEAD):
        newer = f", of a newer release; this one works on {HEAD} and on that" if present.is_newer_than(HEAD) else ""
        return Point("database", "ok", found + newer)
    if present.is_newer_than(HEAD):
        return Point("database", "failed", f"{found}, this release works on {HEAD}", "upgrade Doorward")
    if is_sqlite:
        return Point("database", "ok", f"{found}: the next start brings it to {HEAD}")
    return Point("database", "failed", f"{found}, this release works on {HEAD}", "run `doorward migrate`")


def _role(database: Database) -> Point:
    with database.read() as tx:
        name, missing, owns = rights.role(tx), rights.lacking(tx), rights.may_change_schema(tx)
    if missing:
        return Point("database role", "failed", f"{name} lacks {', '.join(missing)}", MEND_ROLE)
    if owns:
        return Point("database role", "ok", f"{name}, which may change the schema too; two roles are safer")
    return Point("database role", "ok", f"{name}, which may not change the schema: `doorward migrate` needs another")


MEND_ROLE = 'run deploy/two-roles.sql again, as docs/operations.md has it under "Two roles"'


def _look_ups(database: Database, limits: Limits) -> Point:
    milliseconds, role = cast("tuple[int, str]", database.reads().first(STATEMENT_TIMEOUT, {}))
    return look_ups(milliseconds, role, limits)


def look_ups(milliseconds: int, role: str, limits: Limits) -> Point:
    """How long a look-up may take at the server. A straight connection says so; behind a pooler, the role has to."""
    if 0 < milliseconds <= round((limits.patience_s or 0) * 1000):
        return Point("look-ups", "ok", f"the server ends them after {milliseconds / SECOND:g} s")
    ended = f"only after {milliseconds / SECOND:g} s" if milliseconds else "never"
    return Point(
        "look-ups",
        "warning",
        f"through this pooler {ended} ended by the server, which goes on with one when its client has gone",
        f"ALTER ROLE {role} SET statement_timeout = '{limits.statement_s:g}s', then RECONNECT at the pooler",
    )


NO_SIGNING_KEY = "none yet: the first start makes one"


def _signing_keys(settings: Settings, database: Database) -> Point:
    vault = find_vault(settings)
    if vault is None and has_keys(database):
        path = settings.data_dir / KEY_FILE
        return Point("signing keys", "failed", f"they can't be opened without {path}", "put it back from its back-up")
    if vault is None:
        return Point("signing keys", "ok", NO_SIGNING_KEY)
    keyring = Keyring(database, vault, SystemClock(), settings.token_algorithm)
    try:
        keys = keyring.all()
    except WrongSecretKey:
        return Point("signing keys", "failed", WRONG_KEY, "put the right secret key back")
    if not keys:
        return Point("signing keys", "ok", NO_SIGNING_KEY)
    age = SystemClock().now_ms() - keys[-1].created_at
    found = f"{len(keys)}; the newest, {keys[-1].pair.algorithm}, is {age // DAY} days old"
    if age > KEY_OLD_AFTER:
        return Point("signing keys", "warning", found, "run `doorward keys rotate`")
    return Point("signing keys", "ok", found)


def find_vault(settings: Settings) -> Vault | None:
    """None where the secret key can't be read: none is made here."""
    if settings.secret_key:
        return Vault(settings.secret_key, settings.previous_secret_keys)
    try:
        return Vault(read_secret_key(settings.data_dir), settings.previous_secret_keys)
    except (NoSecretKey, OSError):
        return None


def _previous_keys(database: Database, vault: Vault) -> Point:
    with database.read() as tx:
        waiting = left(tx, vault)
    if waiting:
        found = f"{waiting} values are sealed by a former secret key"
        return Point(
            "previous secret keys", "warning", found, "the service seals them anew; or run `doorward keys reseal`"
        )
    return Point("previous secret keys", "ok", "nothing needs them any more: take them out of the settings")


def _clock(database: Database) -> Point:
    with database.read() as tx:
        if database.is_sqlite:
            newest = tx.execute(sa.select(events.c.at).order_by(events.c.id.desc()).limit(1)).scalar()
            return clock_against_past(int(newest or 0), time.time_ns() // 1_000_000)
        before = time.time_ns() // 1_000_000
        theirs = int(tx.connection.exec_driver_sql("SELECT extract(epoch FROM clock_timestamp()) * 1000").scalar_one())
        return clock_against_database(theirs, (before + time.time_ns() // 1_000_000) // 2)


def clock_against_database(theirs: int, ours: int) -> Point:
    """Times in milliseconds."""
    apart = abs(ours - theirs)
    found = f"this machine says {iso(ours)}, the database {iso(theirs)}: {apart / SECOND:.1f} s apart"
    if apart < CLOCK_WARNING:
        return Point("clock", "ok", found)
    state: State = "failed" if apart >= CLOCK_WRONG else "warning"
    return Point("clock", state, found, MEND_CLOCK)


def clock_against_past(newest_event: int, ours: int) -> Point:
    """Nothing can have happened later than now. Times in milliseconds."""
    if newest_event <= ours + CLOCK_WARNING:
        return Point("clock", "ok", f"this machine says {iso(ours)}")
    found = f"this machine says {iso(ours)}, but the newest event is of {iso(newest_event)}"
    return Point("clock", "failed", found, MEND_CLOCK)


MEND_CLOCK = "let NTP set the clocks (`timedatectl`): tokens and one-time codes depend on them"


def smtp(settings: Settings) -> Point:
    """A real conversation, up to the login."""
    where = server_of(settings)
    if not settings.smtp_url:
        return Point("mail server", "warning", f"none: mails stay in {where}", "set DOORWARD_SMTP_URL")
    try:
        Smtp(settings.smtp_url, min(settings.smtp_timeout, SMTP_PATIENCE_S)).check()
    except smtplib.SMTPResponseException as error:
        reply = error.smtp_error if isinstance(error.smtp_error, str) else error.smtp_error.decode("utf-8", "replace")
        return Point("mail server", "failed", f"{where} answers {error.smtp_code} {one_line(reply)}", MEND_SMTP)
    except (OSError, smtplib.SMTPException) as error:
        return Point("mail server", "failed", f"{where}: {one_line(str(error)) or type(error).__name__}", MEND_SMTP)
    return Point("mail server", "ok", f"{where} answers")


MEND_SMTP = "check DOORWARD_SMTP_URL: host, port, user and password; then `doorward mail test ADDRESS`"


def _nearest_there(path: Path) -> Path:
    """The path, or the nearest folder above it that exists."""
    absolute = path.absolute()
    return next(each for each in (absolute, *absolute.parents) if each.exists())
