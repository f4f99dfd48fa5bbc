"""Administrators' keys: made on the command line, shown once, stored as a hash, good for some acts and some time.

The hash is plain SHA-256. A key is 256 random bits, so there is nothing to guess that a slow or keyed hash would have
to slow down; a wrong key costs this service one look-up.
"""

import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

import sqlalchemy as sa

from doorward import audit
from doorward.core.clock import DAY, MINUTE
from doorward.core.db import Tx
from doorward.core.errors import Refused
from doorward.core.statements import Statement
from doorward.core.tables import admin_keys as table
from doorward.env import Env

Scope = Literal[
    "users:read",
    "users:write",
    "users:delete",
    "credentials:write",
    "events:read",
    "mails:read",
    "mails:write",
    "keys:read",
    "keys:write",
    "settings:read",
]
SCOPES: tuple[Scope, ...] = get_args(Scope)

PREFIX = "dwa_"
"""Tells people, and programs that look for leaked secrets, what it is."""
SECRET_BYTES = 32
FORM = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
LONGEST_LIFE = 366 * DAY
NOTED_EVERY = MINUTE
"""How exact `last_used_at` is: a write for each request would cost more than it tells."""


class KeyNameTaken(Exception):
    """A key had this name, which is the message."""


class NoSuchAdminKey(Exception):
    """No key has this name, which is the message."""


@dataclass(frozen=True)
class AdminKey:
    """A key without its secret. Times are in milliseconds."""

    name: str
    scopes: tuple[Scope, ...]
    created_at: int
    expires_at: int
    last_used_at: int | None
    revoked_at: int | None

    def state(self, now: int) -> str:
        """`good`, `expired` or `revoked`."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at <= now else "good"


COLUMNS: tuple[Any, ...] = tuple(table.c[name] for name in AdminKey.__dataclass_fields__)
BY_HASH = Statement(sa.select(*COLUMNS).where(table.c.secret_hash == sa.bindparam("secret_hash")))


def create(env: Env, name: str, scopes: tuple[Scope, ...], life: int, by: audit.By = audit.BY_COMMAND) -> str:
    """Make a key that is good for `life` milliseconds, and give its secret, which is kept nowhere.

    Raises KeyNameTaken; ValueError for a name or a life out of bounds, and for no scope.
    """
    if not NAME.fullmatch(name):
        raise ValueError("a key's name is 1 to 64 letters, digits, dots, dashes and underscores")
    if not 0 < life <= LONGEST_LIFE:
        raise ValueError(f"a key is good for 1 to {LONGEST_LIFE // DAY} days")
    if not scopes:
        raise ValueError("a key without a scope is good for nothing")
    secret = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    with env.db.write() as tx:
        row = {
            "name": name,
            "secret_hash": _hash(secret),
            "scopes": " ".join(scope for scope in SCOPES if scope in scopes),
            "created_at": tx.now,
            "expires_at": tx.now + life,
        }
        if not tx.changed(tx.insert(table).values(row).on_conflict_do_nothing()):
            raise KeyNameTaken(name)
        audit.record(tx, "admin_key.created", user_id=None, detail=name, by=by)
    return secret


def get(tx: Tx, name: str) -> AdminKey:
    """Raises NoSuchAdminKey."""
    row = tx.row(sa.select(*COLUMNS).where(table.c.name == name))
    if row is None:
        raise NoSuchAdminKey(name)
    return _made(row)


def all_keys(env: Env) -> list[AdminKey]:
    """Every key that ever was, by name."""
    with env.db.read() as tx:
        return [_made(row) for row in tx.execute(sa.select(*COLUMNS).order_by(table.c.name))]


def revoke(env: Env, name: str, by: audit.By = audit.BY_COMMAND) -> bool:
    """Make the key good for nothing from now on; False when it was revoked before. Raises NoSuchAdminKey."""
    with env.db.write() as tx:
        get(tx, name)
        good = sa.and_(table.c.name == name, table.c.revoked_at.is_(None))
        revoked = tx.changed(sa.update(table).where(good).values(revoked_at=tx.now))
        if revoked:
            audit.record(tx, "admin_key.revoked", user_id=None, detail=name, by=by)
    return revoked


def admit(env: Env, secret: str | None, scope: Scope) -> AdminKey:
    """The key with this secret, if it is good for the scope now; its use is noted.

    Raises Refused: NO_TOKEN_PROVIDED, API_KEY_INVALID, API_KEY_REVOKED, API_KEY_EXPIRED, SCOPE_MISSING.
    """
    if secret is None:
        raise Refused("NO_TOKEN_PROVIDED")
    if not FORM.fullmatch(secret):
        raise Refused("API_KEY_INVALID")
    reads = env.db.reads()
    row = reads.first(BY_HASH, {"secret_hash": _hash(secret)})
    if row is None:
        raise Refused("API_KEY_INVALID")
    key = _made(row)
    state = key.state(reads.now)
    if state == "revoked":
        raise Refused("API_KEY_REVOKED")
    if state == "expired":
        raise Refused("API_KEY_EXPIRED")
    if scope not in key.scopes:
        raise Refused("SCOPE_MISSING")
    if key.last_used_at is None or key.last_used_at + NOTED_EVERY <= reads.now:
        with env.db.write() as tx:
            _note_use(tx, key.name)
    return key


def _note_use(tx: Tx, name: str) -> None:
    tx.execute(sa.update(table).where(table.c.name == name).values(last_used_at=tx.now))


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _made(row: Sequence[Any]) -> AdminKey:
    name, scopes, *times = row
    return AdminKey(name, tuple(cast("Scope", each) for each in scopes.split()), *times)
