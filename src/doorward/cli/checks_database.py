"""What `doorward check` asks the database: its schema, what the role may do and how long, its seals, its clock."""

import time
from collections.abc import Iterator
from contextlib import closing
from typing import cast

import sqlalchemy as sa

from doorward.cli.checks_files import find_vault
from doorward.cli.faults import WRONG_KEY, mend_database, unavailable
from doorward.cli.point import Point, State
from doorward.core import rights
from doorward.core.clock import DAY, SECOND, SystemClock, iso
from doorward.core.db import Database
from doorward.core.errors import DatabaseUnavailable
from doorward.core.limits import Limits
from doorward.core.migrate import HEAD
from doorward.core.schema import Schema, current
from doorward.core.statements import Statement
from doorward.core.tables import events
from doorward.core.vault import KEY_FILE, Vault, WrongSecretKey
from doorward.reseal import left
from doorward.settings import Settings
from doorward.tokens.keyring import Keyring, has_keys

KEY_OLD_AFTER = 365 * DAY
CLOCK_WARNING, CLOCK_WRONG = 2 * SECOND, 30 * SECOND
# Where no transaction is begun, which would set one of its own.
STATEMENT_TIMEOUT = Statement(
    sa.select(sa.cast(sa.column("setting"), sa.Integer), sa.func.quote_ident(sa.literal_column("current_user")))
    .select_from(sa.table("pg_settings"))
    .where(sa.column("name") == "statement_timeout")
)


def database_points(settings: Settings) -> Iterator[Point]:
    """Every point that a connection tells, as far as the schema allows."""
    path = settings.sqlite_file
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


def _signing_keys(settings: Settings, database: Database) -> Point:
    if not has_keys(database):
        return Point("signing keys", "ok", "none yet: the first start makes one")
    vault = find_vault(settings)
    if vault is None:
        path = settings.data_dir / KEY_FILE
        return Point("signing keys", "failed", f"they can't be opened without {path}", "put it back from its back-up")
    keyring = Keyring(database, vault, SystemClock(), settings.token_algorithm)
    try:
        keys = keyring.all()
    except WrongSecretKey:
        return Point("signing keys", "failed", WRONG_KEY, "put the right secret key back")
    age = SystemClock().now_ms() - keys[-1].created_at
    found = f"{len(keys)}; the newest, {keys[-1].pair.algorithm}, is {age // DAY} days old"
    if age > KEY_OLD_AFTER:
        return Point("signing keys", "warning", found, "run `doorward keys rotate`")
    return Point("signing keys", "ok", found)


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
