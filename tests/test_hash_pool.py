"""The hashing threads: who would wait too long is told so, and loses nothing by it."""

from collections.abc import Callable

import pytest
import sqlalchemy as sa

from doorward.core.errors import Refused
from doorward.core.tables import throttles
from doorward.hashing.pool import Hasher
from doorward.hashing.schemes import Argon2Cost
from tests.support.service import EMAIL, PASSWORD, Service
from tests.support.threads import HANDS, by_many

CHEAP, REAL = Argon2Cost(1, 8), Argon2Cost()


def test_a_flood_is_shed_before_its_queue_is_too_long() -> None:
    hasher = Hasher(REAL, threads=1, longest_wait_s=0.3)
    encoded = hasher.hash(PASSWORD)

    def check(_: int) -> str:
        try:
            return str(hasher.verify(encoded, PASSWORD))
        except Refused as refused:
            return f"wait {refused.retry_after} s"

    assert set(by_many(check)) == {"True", "wait 1 s"}
    assert hasher.verify(encoded, PASSWORD)
    hasher.close()


def test_a_longer_wait_lets_all_of_them_in() -> None:
    hasher = Hasher(CHEAP, threads=2, longest_wait_s=60)
    encoded = hasher.hash(PASSWORD)
    assert by_many(lambda _: hasher.verify(encoded, PASSWORD)) == [True] * HANDS
    hasher.close()


def test_what_has_waited_too_long_is_not_hashed_any_more() -> None:
    times = iter([0.0, 0.0, 1.0, 3.1, 4.0, 6.0, 6.0])
    hasher = Hasher(CHEAP, threads=1, longest_wait_s=2, timer=lambda: next(times))
    with pytest.raises(Refused, match="OVERLOADED"):
        hasher.verify(None, "x")
    assert not hasher.verify(None, "x")
    hasher.close()


def test_a_login_that_is_shed_counts_for_nothing(start: Callable[..., Service]) -> None:
    service = start(hash_threads="1", argon2_memory_kib="19456", argon2_time_cost="2", hash_wait="1")
    service.add_user()
    service.doorward.env.hasher._longest_wait_s = 0.3
    answers = by_many(lambda _: service.call("POST", "/auth/login", json={"username": EMAIL, "password": PASSWORD}))
    assert {each.status_code for each in answers} == {200, 503}
    for shed in (each for each in answers if each.status_code == 503):
        assert (shed.json()["message"], shed.headers["Retry-After"]) == ("OVERLOADED", "1")
    with service.doorward.env.db.read() as tx:
        assert tx.execute(sa.select(throttles)).all() == []
