"""What passwords cost on this machine: Argon2id with nothing around it."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from nacl.bindings import crypto_pwhash_ALG_ARGON2ID13, crypto_pwhash_str_alg, crypto_pwhash_str_verify

from doorward.hashing import native
from doorward.hashing.schemes import Argon2Cost, hash_password, verify

PASSWORD = "Correct-Horse-1"
COST = Argon2Cost()


def checks_a_second(threads: int, seconds: float) -> float:
    """Password checks a second in so many threads, by libsodium: the yardstick, however Doorward computes them."""
    secret = PASSWORD.encode()
    memory = COST.memory_kib * 1024
    encoded = crypto_pwhash_str_alg(secret, COST.time_cost, memory, crypto_pwhash_ALG_ARGON2ID13)
    return _checks_a_second(lambda: crypto_pwhash_str_verify(encoded, secret), threads, seconds)


def own_checks_a_second(threads: int, seconds: float) -> float:
    """The same as Doorward computes them here."""
    encoded = hash_password(PASSWORD, COST)
    return _checks_a_second(lambda: verify(encoded, PASSWORD), threads, seconds)


def library() -> str:
    """What Doorward computes Argon2id with here."""
    return "the reference library, built for this processor" if native.is_usable() else "libsodium"


def _checks_a_second(check: Callable[[], bool], threads: int, seconds: float) -> float:
    with ThreadPoolExecutor(threads) as pool:
        rates = [pool.submit(_rate, check, seconds) for _ in range(threads)]
        return sum(rate.result() for rate in rates)


def _rate(check: Callable[[], bool], seconds: float) -> float:
    began, done, took = time.perf_counter(), 0, 0.0
    while took < seconds:
        check()
        done += 1
        took = time.perf_counter() - began
    return done / took
