"""`python -m bench.rows`: the bytes a row takes on PostgreSQL, its indexes included, by table (docs/scale.md)."""

import os
import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from doorward.app import build_env
from doorward.core import tables
from doorward.core.clock import DAY, HOUR
from doorward.core.migrate import migrate
from doorward.core.tallies import KEPT
from doorward.env import Env
from doorward.events.chain import SALT_BYTES, Chain
from doorward.sessions.flows import new_session_id
from doorward.settings import load
from tests.support.postgres import postgres_server

ROWS = 100_000
BATCH = 10_000
STEP = 1_000
AT = 1_700_000_000_000
VACUUM_AFTER = 0.2
"""The share of the table that has changed: PostgreSQL does it by itself then."""
CONTENT = 240
"""What a mail with a code takes, encrypted."""
AGENT = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
)
ARGON2ID = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"
LOGIN_WITH_A_FACTOR = (("second_factor.succeeded", "totp"), ("login.succeeded", None), ("session.ended", "user"))


def email(number: int) -> str:
    return f"user{number}@example.org"


def address(number: int) -> str:
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def anybody(number: int) -> int:
    """Somebody else each time, in no order: people do not come by the number."""
    return number * 7919 % ROWS + 1


def user(number: int) -> dict[str, Any]:
    name = email(anybody(number))
    return {"id": number, "username": name, "email": name, "password_hash": ARGON2ID, "created_at": AT + number}


def session(number: int) -> dict[str, Any]:
    return {
        "id": new_session_id(),
        "user_id": anybody(number),
        "amr": "pwd",
        "auth_time": AT + number,
        "created_at": AT + number,
        "last_used_at": AT + number,
        "expires_at": AT + number + 14 * DAY,
        "client_address": address(number),
        "user_agent": AGENT,
        "refresh_jti": new_session_id(),
        "refresh_iat": AT + number,
    }


def event(number: int) -> dict[str, Any]:
    kind, detail = LOGIN_WITH_A_FACTOR[number % len(LOGIN_WITH_A_FACTOR)]
    return {
        "at": AT + number,
        "type": kind,
        "user_id": anybody(number),
        "session_id": new_session_id(),
        "client_address": address(number),
        "detail": detail,
    }


def sealed_event(number: int) -> dict[str, Any]:
    chained = {"digest": os.urandom(32), "client_salt": os.urandom(SALT_BYTES), "client_digest": os.urandom(32)}
    return event(number) | {"seq": number, "sealed_at": AT + number} | chained


def tally(number: int) -> dict[str, Any]:
    return {"hour": AT // HOUR * HOUR + number // 8 * HOUR, "what": f"mails_delayed{number % 8}", "count": number}


def recovery_code(number: int) -> dict[str, Any]:
    return {"user_id": anybody(number // 10), "code_hash": os.urandom(32), "created_at": AT + number}


def mailed_code(number: int) -> dict[str, Any]:
    subject = {"purpose": "reset", "subject": email(anybody(number)), "user_id": anybody(number)}
    return subject | {"code_hash": os.urandom(32), "address": subject["subject"], "expires_at": AT + number, "wrong": 0}


def mail(number: int) -> dict[str, Any]:
    return {
        "content": os.urandom(CONTENT),
        "created_at": AT + number,
        "expires_at": AT + number + HOUR,
        "next_attempt_at": AT + number,
        "recipient": os.urandom(32),
    }


KINDS: dict[str, Callable[[int], dict[str, Any]]] = {
    "users": user,
    "identifiers": lambda n: {"key": email(anybody(n)), "user_id": n},
    "sessions": session,
    "known_addresses": lambda n: {"user_id": anybody(n), "client_address": address(n), "last_login_at": AT + n},
    "totp": lambda n: {"user_id": anybody(n), "secret": os.urandom(69), "completed_at": AT + n, "last_step": n},
    "recovery_codes": recovery_code,
    "throttles": lambda n: {"key": secrets.token_hex(32), "failures": 3, "next_at": AT + n, "forget_at": AT + n + DAY},
    "mailed_codes": mailed_code,
    "outbox": mail,
    "tallies": tally,
    "events": sealed_event,
}


@contextmanager
def installation(url: str) -> Iterator[Env]:
    """An empty one on this database."""
    migrate(url)
    with tempfile.TemporaryDirectory() as folder:
        key = secrets.token_urlsafe(32)
        env = build_env(
            load({"DOORWARD_DATABASE_URL": url, "DOORWARD_SECRET_KEY": key, "DOORWARD_DATA_DIR": str(Path(folder))})
        )
        try:
            yield env
        finally:
            env.hasher.close()
            env.db.close()


def insert(env: Env, name: str, row: Callable[[int], dict[str, Any]], first: int, count: int) -> None:
    with env.db.write() as tx:
        tx.execute(sa.insert(tables.metadata.tables[name]), [row(first + number) for number in range(count)])


def bytes_a_row(env: Env, name: str) -> float:
    with env.db.read() as tx:
        return int(tx.execute(sa.select(sa.func.pg_total_relation_size(name))).scalar() or 0) / ROWS


def fill(env: Env, name: str, row: Callable[[int], dict[str, Any]]) -> None:
    for first in range(1, ROWS + 1, BATCH):
        insert(env, name, row, first, BATCH)


def seal_in_turn(env: Env) -> None:
    """Events as they come: some, which are sealed, then some more; vacuumed when PostgreSQL does it by itself."""
    chain = Chain(env.db, env.vault)
    changed = 0
    for total in range(STEP, ROWS + 1, STEP):
        insert(env, "events", event, total - STEP + 1, STEP)
        changed += chain.seal_all()
        if changed > VACUUM_AFTER * total:
            command(env, "VACUUM events")
            changed = 0


def command(env: Env, text: str) -> None:
    # VACUUM runs in no transaction.
    with env.db.engine.connect() as connection:
        connection.connection.dbapi_connection.execute(text)  # type: ignore[union-attr]


def main() -> None:
    with postgres_server() as server, installation(server.create_database("rows")) as env:
        for name, row in KINDS.items():
            fill(env, name, row)
            print(f"{name}: {bytes_a_row(env, name):.0f}", flush=True)
        command(env, "TRUNCATE events")
        seal_in_turn(env)
        print(f"events, as they are written and sealed: {bytes_a_row(env, 'events'):.0f}", flush=True)
        print(f"tallies: at most {KEPT // HOUR * 8:,} rows")


if __name__ == "__main__":
    main()
