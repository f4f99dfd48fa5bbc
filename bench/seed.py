"""`python -m bench.seed FOLDER`: fills the database that the settings name, and writes the requests to load it with.

A process of its own, so that what it loads does not share memory with the servers that are measured.
"""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa

from doorward.accounts import flows as accounts
from doorward.app import build_env
from doorward.core.db import Tx
from doorward.core.migrate import migrate
from doorward.core.tables import sessions
from doorward.env import Env
from doorward.sessions.flows import new_session_id
from doorward.settings import load
from doorward.tokens.tokens import CACHED_TOKENS, Claims

USERS = 4_000
WARM_TOKENS = 2_000
COLD_TOKENS = 2 * CACHED_TOKENS + 1_000
"""More than the two generations of verified tokens hold, so that a token is always forgotten before it comes again."""

PASSWORD = "Correct-Horse-1"
WARM, COLD, LOGINS = "exchange-warm", "exchange-cold", "logins"
EXCHANGE = "GET /auth/accesstoken HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
LOGIN = (
    "POST /auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    "X-Forwarded-For: {address}\r\nContent-Length: {length}\r\n\r\n{body}"
)


def main(folder: Path) -> None:
    settings = load()
    migrate(settings.database)
    env = build_env(settings)
    password_hash = env.hasher.hash(PASSWORD)
    with env.db.write() as tx:
        ids = [accounts.add(tx, email(number), email(number), password_hash) for number in range(USERS)]
        tokens = [add_session(tx, env, ids[number % USERS]) for number in range(WARM_TOKENS + COLD_TOKENS)]
    env.hasher.close()
    env.db.close()
    write(folder / WARM, (EXCHANGE.format(token=token) for token in tokens[:WARM_TOKENS]))
    write(folder / COLD, (EXCHANGE.format(token=token) for token in tokens[WARM_TOKENS:]))
    write(folder / LOGINS, (login(number) for number in range(USERS)))


def email(number: int) -> str:
    return f"user{number}@example.org"


def login(number: int) -> str:
    """The login of a user from an address that nobody else has."""
    body = msgspec.json.encode({"username": email(number), "password": PASSWORD}).decode()
    return LOGIN.format(address=f"10.0.{number >> 8}.{number & 255}", length=len(body), body=body)


def add_session(tx: Tx, env: Env, user_id: int) -> str:
    """What `sessions.flows.start` does, at a third of the time."""
    row, claims = session_row(tx, env, user_id)
    tx.execute(sa.insert(sessions), row)
    return env.tokens.sign(claims)


def session_row(tx: Tx, env: Env, user_id: int) -> tuple[dict[str, Any], Claims]:
    """A session of the user, and the claims of its refresh token."""
    claims = env.tokens.claims("refresh", user_id=user_id, session_id=new_session_id(), amr=["pwd"], auth_time=tx.now)
    row = {
        "id": claims.sid,
        "user_id": user_id,
        "amr": "pwd",
        "auth_time": tx.now,
        "created_at": tx.now,
        "last_used_at": tx.now,
        "expires_at": claims.exp * 1000,
        "client_address": "10.0.0.1",
        "user_agent": "",
        "refresh_jti": claims.jti,
        "refresh_iat": claims.iat,
    }
    return row, claims


def write(path: Path, requests: Iterable[str]) -> None:
    path.write_text("\0".join(requests), "ascii", newline="")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
