"""Users from another system, one JSON object a line: read, judged, and added in batches.

A batch is one transaction. A user whose address is there already is left as they are, which is how an import that was
interrupted goes on: it is simply run again. No reason ever quotes a value: lines hold hashes and secrets.
"""

import base64
import binascii
import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
import sqlalchemy as sa

from doorward.core.clock import SECOND
from doorward.core.db import Tx
from doorward.core.errors import BadInput
from doorward.core.tables import events, identifiers, users
from doorward.env import Env
from doorward.factors import totp
from doorward.hashing.schemes import UnsupportedHash, canonical
from doorward.users import names

BATCH = 500
LONGEST_LINE = 64 * 1024
SHORTEST_SECRET, LONGEST_SECRET = 10, 64
UNKNOWN_FIELD = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
A_FIELD = re.compile(r"[A-Za-z_]{1,30}")

Outcome = Literal["imported", "skipped", "bad"]


class BadLine(Exception):
    """A line that can't be imported; the message says why, without a value of it."""


class _Line(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    email: str
    username: str | None = None
    password_hash: str | None = None
    totp_secret: str | None = None
    disabled: bool = False
    created_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


_decoder = msgspec.json.Decoder(_Line)


@dataclass(frozen=True)
class NewUser:
    """A line that was read and found good. `keys` are the compared forms of its names, the address's first."""

    number: int
    email: str
    username: str
    keys: tuple[str, ...]
    password_hash: str | None
    totp_secret: bytes | None
    disabled: bool
    created_at: int | None


@dataclass(frozen=True)
class Result:
    """What became of a line; `reason` says it of a bad one."""

    number: int
    outcome: Outcome
    reason: str = ""


def read(number: int, line: bytes, now: int) -> NewUser:
    """Judge one line; `now` in milliseconds. Raises BadLine."""
    if len(line) > LONGEST_LINE:
        raise BadLine(f"longer than {LONGEST_LINE // 1024} KiB")
    given = _decoded(line)
    try:
        email = names.address(given.email)
        username = email if given.username is None else names.username(given.username)
        password_hash = None if given.password_hash is None else canonical(given.password_hash)
    except BadInput as error:
        raise BadLine(error.code[:1].lower() + error.code[1:]) from error
    except UnsupportedHash as error:
        raise BadLine(f"passwordHash: {error}") from error
    return NewUser(
        number=number,
        email=email,
        username=username,
        keys=tuple(dict.fromkeys((names.key(email), names.key(username)))),
        password_hash=password_hash,
        totp_secret=None if given.totp_secret is None else _secret(given.totp_secret),
        disabled=given.disabled,
        created_at=None if given.created_at is None else _past(given.created_at, now),
    )


def newest_id(env: Env) -> int:
    """The highest id of a user so far, 0 without users. Raises DatabaseUnavailable."""
    with env.db.read() as tx:
        return int(tx.execute(sa.select(sa.func.coalesce(sa.func.max(users.c.id), 0))).scalar_one())


def add(env: Env, batch: Sequence[NewUser], newest_before: int) -> list[Result]:
    """Add a batch in one transaction; `newest_before` is the newest id when the import began.

    What the database refuses (a name that a server took meanwhile) costs its own line only. Raises DatabaseUnavailable.
    """
    try:
        with env.db.write() as tx:
            return _add(tx, env, batch, newest_before)
    except (sa.exc.IntegrityError, sa.exc.DataError) as error:
        if len(batch) == 1:
            reason = "the database refuses it" if isinstance(error, sa.exc.DataError) else "was added at the same time"
            return [Result(batch[0].number, "bad", reason)]
    return [result for new in batch for result in add(env, [new], newest_before)]


def _add(tx: Tx, env: Env, batch: Sequence[NewUser], newest_before: int) -> list[Result]:
    owners = _owners(tx, batch)
    results, fresh = [], []
    for new in batch:
        try:
            taken = _is_there(new, owners, newest_before)
        except BadLine as error:
            results.append(Result(new.number, "bad", str(error)))
            continue
        if not taken:
            fresh.append(new)
            owners |= {key: _Owner(None, new.keys[0], new.number) for key in new.keys}
        results.append(Result(new.number, "skipped" if taken else "imported"))
    if fresh:
        _insert(tx, env, fresh)
    return results


@dataclass(frozen=True)
class _Owner:
    """Whose a name is: a user of the database, or the line of this batch."""

    user_id: int | None
    email_key: str
    number: int = 0


def _owners(tx: Tx, batch: Iterable[NewUser]) -> dict[str, _Owner]:
    wanted = {key for new in batch for key in new.keys}
    found = (
        sa.select(identifiers.c.key, users.c.id, users.c.email)
        .join(users, users.c.id == identifiers.c.user_id)
        .where(identifiers.c.key.in_(wanted))
    )
    return {row.key: _Owner(row.id, names.key(row.email)) for row in tx.execute(found)}


def _is_there(new: NewUser, owners: dict[str, _Owner], newest_before: int) -> bool:
    """Whether the line's user was there before this import. Raises BadLine."""
    owner = owners.get(new.keys[0])
    if owner is not None and owner.email_key == new.keys[0]:
        if owner.user_id is None:
            raise BadLine(f"the same address as on line {owner.number}")
        if owner.user_id > newest_before:
            raise BadLine("the same address as on an earlier line, or added meanwhile")
        return True
    if owner is not None:
        raise BadLine("the address is another user's username")
    if any(key in owners for key in new.keys):
        raise BadLine("the username is another user's")
    return False


def _insert(tx: Tx, env: Env, fresh: Sequence[NewUser]) -> None:
    rows = [_row(new, tx.now) for new in fresh]
    made = tx.execute(sa.insert(users).returning(users.c.id, users.c.email), rows)
    ids = {row.email: row.id for row in made}
    owned = [{"key": key, "user_id": ids[new.email]} for new in fresh for key in new.keys]
    tx.execute(sa.insert(identifiers), owned)
    totp.bring(tx, env, {ids[new.email]: new.totp_secret for new in fresh if new.totp_secret is not None})
    created = {"at": tx.now, "type": "user.created", "detail": "imported"}
    tx.execute(sa.insert(events), [created | {"user_id": ids[new.email]} for new in fresh])


def _row(new: NewUser, now: int) -> dict[str, Any]:
    return {
        "username": new.username,
        "email": new.email,
        "password_hash": new.password_hash,
        "disabled_at": now if new.disabled else None,
        "created_at": now if new.created_at is None else new.created_at,
    }


def _decoded(line: bytes) -> _Line:
    try:
        return _decoder.decode(line)
    except msgspec.ValidationError as error:
        raise BadLine(_wrong_shape(str(error))) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadLine("not valid UTF-8" if not _is_utf8(line) else "not valid JSON") from error


def _wrong_shape(message: str) -> str:
    unknown = UNKNOWN_FIELD.match(message)
    if unknown is None:
        return message[:1].lower() + message[1:].replace(" - at `$.", " at `").replace(" - at `$`", "")
    name = unknown[1]
    if not A_FIELD.fullmatch(name):
        return "has an unknown field"
    near = difflib.get_close_matches(name, _Line.__struct_encode_fields__, n=1)
    return f"has an unknown field `{name}`" + (f": did you mean `{near[0]}`?" if near else "")


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _secret(text: str) -> bytes:
    """A TOTP secret as systems write it: base32 with or without padding, spaces, dashes, in either case."""
    bare = text.translate(str.maketrans("", "", " -=")).upper()
    try:
        secret = base64.b32decode(bare + "=" * (-len(bare) % 8))
    except (binascii.Error, ValueError) as error:
        raise BadLine("totpSecret: not base32") from error
    if not SHORTEST_SECRET <= len(secret) <= LONGEST_SECRET:
        raise BadLine(f"totpSecret: must have {SHORTEST_SECRET * 8} to {LONGEST_SECRET * 8} bits")
    return secret


def _past(at: datetime, now: int) -> int:
    created_at = round(at.timestamp() * SECOND)
    if not 0 <= created_at <= now:
        raise BadLine("createdAt: must be between 1970 and now")
    return created_at
