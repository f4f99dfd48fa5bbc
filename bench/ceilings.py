"""What an exchange can't do without: its parts by themselves, with nothing around them."""

import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle

import psycopg
from nacl.bindings import crypto_sign, crypto_sign_BYTES, crypto_sign_seed_keypair

SIGNED = b"t" * 400
"""As long as a token without its signature."""

ASKED = 500
"""Sessions that are looked up in turn."""

CONNECTIONS = 8
"""To PostgreSQL at once, as the service's pool has: while one waits for the answer, another asks."""

COLUMNS = "ended_at, expires_at, created_at, last_used_at, refresh_jti, previous_jti, rotated_at"


def signatures_a_second(seconds: float) -> float:
    """Ed25519 signatures by libsodium."""
    _, secret = crypto_sign_seed_keypair(b"s" * 32)

    def sign() -> None:
        crypto_sign(SIGNED, secret)[:crypto_sign_BYTES]

    return _rate(sign, seconds)


def look_ups_a_second(url: str, seconds: float) -> float:
    """Looks at a session, by the driver alone."""
    if url.startswith("sqlite"):
        return _sqlite_look_ups(url.removeprefix("sqlite:///"), seconds)
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        rates = [pool.submit(_postgresql_look_ups, url, seconds) for _ in range(CONNECTIONS)]
        return sum(rate.result() for rate in rates)


def sum_of_parts(*rates: float) -> float:
    """How often a second all of these are done one after another, when each alone is done at its rate."""
    return 1 / sum(1 / rate for rate in rates)


def _sqlite_look_ups(path: str, seconds: float) -> float:
    connection = sqlite3.connect(path, isolation_level=None)
    keys = connection.execute(f"SELECT id, user_id FROM sessions LIMIT {ASKED}").fetchall()
    query = f"SELECT {COLUMNS} FROM sessions WHERE id = ? AND user_id = ?"
    asked = cycle(keys)
    try:
        return _rate(lambda: connection.execute(query, next(asked)).fetchone(), seconds)
    finally:
        connection.close()


def _postgresql_look_ups(url: str, seconds: float) -> float:
    with psycopg.connect(url, autocommit=True, prepare_threshold=1) as connection:
        keys = connection.execute(f"SELECT id, user_id FROM sessions LIMIT {ASKED}").fetchall()
        query = f"SELECT {COLUMNS} FROM sessions WHERE id = %s AND user_id = %s"
        asked = cycle(keys)
        return _rate(lambda: connection.execute(query, next(asked)).fetchone(), seconds)


def _rate(work: Callable[[], object], seconds: float) -> float:
    began, done, took = time.perf_counter(), 0, 0.0
    while took < seconds:
        for _ in range(10):
            work()
        done += 10
        took = time.perf_counter() - began
    return done / took
