"""What passwords cost on this machine: Argon2id by libsodium, with nothing around it."""

import time
from concurrent.futures import ThreadPoolExecutor

from nacl.bindings import crypto_pwhash_ALG_ARGON2ID13, crypto_pwhash_str_alg, crypto_pwhash_str_verify

TIME_COST, MEMORY_BYTES = 2, 19 * 1024 * 1024
PASSWORD = b"Correct-Horse-1"


def checks_a_second(threads: int, seconds: float) -> float:
    """Password checks a second in so many threads."""
    encoded = crypto_pwhash_str_alg(PASSWORD, TIME_COST, MEMORY_BYTES, crypto_pwhash_ALG_ARGON2ID13)
    with ThreadPoolExecutor(threads) as pool:
        rates = [pool.submit(_rate, encoded, seconds) for _ in range(threads)]
        return sum(rate.result() for rate in rates)


def _rate(encoded: bytes, seconds: float) -> float:
    began, done, took = time.perf_counter(), 0, 0.0
    while took < seconds:
        crypto_pwhash_str_verify(encoded, PASSWORD)
        done += 1
        took = time.perf_counter() - began
    return done / took
