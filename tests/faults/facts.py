"""What the database holds of one person: all rows, without what differs from one person to another.

Ids, keys and secrets are told by whether they are there, times by how far they are from now. So the facts of two people
to whom the same was done are equal, and those of a change that was done by half equal neither those before it nor
those after it.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from doorward.core.clock import SECOND
from doorward.core.db import Tx
from doorward.core.tables import (
    email_otp,
    events,
    known_addresses,
    mailed_codes,
    outbox,
    recovery_codes,
    sessions,
    throttles,
    totp,
    users,
)
from doorward.env import Env
from tests.support.person import Person

Facts = dict[str, list[dict[str, Any]]]
STEP_S = 30
A_LONG_TIME = 10**12
FOREVER = 2**61
KEYED_DIGEST = re.compile(":[0-9a-f]{64}$")
RANDOM = frozenset({"id", "jti", "refresh_jti", "previous_jti", "password_hash", "session_id"})
# When an event is sealed, and a mail tried, depends on threads of their own.
LEFT_OUT = frozenset(
    {"seq", "sealed_at", "digest", "client_salt", "client_digest", "user_agent", "client_address", "user_id", "subject"}
)


def facts_of(env: Env, person: Person) -> Facts:
    """All that is known of the person."""
    with env.db.read() as tx:
        return {
            "user": _rows(tx, person, users, users.c.id == person.id),
            "sessions": _rows(tx, person, sessions, sessions.c.user_id == person.id),
            "places": _rows(tx, person, known_addresses, known_addresses.c.user_id == person.id),
            "totp": _rows(tx, person, totp, totp.c.user_id == person.id),
            "email_otp": _rows(tx, person, email_otp, email_otp.c.user_id == person.id),
            "recovery_codes": _rows(tx, person, recovery_codes, recovery_codes.c.user_id == person.id),
            "mailed_codes": _rows(tx, person, mailed_codes, mailed_codes.c.user_id == person.id),
            "waits": _rows(tx, person, throttles, _waits_of(env, person)),
            "events": _rows(tx, person, events, events.c.user_id == person.id),
            "mails": _mails(tx, env, person),
        }


def _waits_of(env: Env, person: Person) -> sa.ColumnElement[bool]:
    reset = f"reset-mail:{env.vault.digest('name', person.email).hex()}"
    key = throttles.c.key
    return sa.or_(key == reset, key.like(f"%:{person.id}"), key.like(f"password:user:{person.id}:%"))


def _rows(tx: Tx, person: Person, table: sa.Table, theirs: sa.ColumnElement[bool]) -> list[dict[str, Any]]:
    rows = tx.execute(sa.select(table).where(theirs)).mappings()
    return _sorted(
        {name: _told(tx, person, name, value) for name, value in row.items() if name not in LEFT_OUT} for row in rows
    )


def _told(tx: Tx, person: Person, name: str, value: Any) -> Any:
    if value is not None and (name in RANDOM or isinstance(value, bytes)):
        return "there"
    if isinstance(value, int):
        return _number(tx, name, value)
    if isinstance(value, str):
        named = re.sub(f":{person.id}(?=:|$)", ":ID", value.replace(person.email, "PERSON"))
        return KEYED_DIGEST.sub(":DIGEST", named)
    return value


def _number(tx: Tx, name: str, value: int) -> Any:
    if name == "last_step":
        return value - tx.now // (STEP_S * SECOND)
    if name == "refresh_iat":
        return value - tx.now // SECOND
    if value > FOREVER:
        return "never"
    return value - tx.now if value > A_LONG_TIME else value


def _mails(tx: Tx, env: Env, person: Person) -> list[dict[str, Any]]:
    found = []
    for content in tx.execute(sa.select(outbox.c.content)).scalars():
        mail = env.outbox.open(content)
        if person.email in {mail.to, mail.params.get("address")} or mail.to.endswith(person.email):
            found.append({"template": mail.template, "to": mail.to.replace(person.email, "PERSON")})
    return _sorted(found)


def _sorted(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return sorted((dict(row) for row in rows), key=repr)


def difference(one: Facts, other: Facts) -> str:
    """What only one of the two tells."""
    lines = []
    for name, rows in one.items():
        lines += [f"only the first has {name}: {row}" for row in rows if row not in other[name]]
        lines += [f"only the second has {name}: {row}" for row in other[name] if row not in rows]
    return "\n".join(lines)
