"""The hashing threads: who would wait too long is told so, and loses nothing by it."""

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from doorward.core.errors import Refused
from doorward.core.tables import throttles
from doorward.hashing import native
from doorward.hashing.pool import Hasher
from doorward.hashing.schemes import Argon2Cost, hash_password
from tests.support.servers import wait_until
from tests.support.service import EMAIL, PASSWORD, Service
from tests.support.threads import HANDS, by_many

CHEAP = Argon2Cost(1, 8)


def test_a_flood_is_shed_before_its_queue_is_too_long() -> None:
    times = iter([0.0, 1.0])
    hasher = Hasher(CHEAP, threads=1, longest_wait_s=3, timer=lambda: next(times, 1.0))
    encoded = hash_password(PASSWORD, CHEAP)
    finish = threading.Event()
    # A hash takes a second by the timer, so that the fourth of those that come has three seconds to wait.
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(hasher._run, lambda: finish.wait(30)) for _ in range(4)]
        wait_until(lambda: hasher._calls == 4)
        with pytest.raises(Refused, match="OVERLOADED") as refused:
            hasher.verify(encoded, PASSWORD)
        assert refused.value.retry_after == 4
        finish.set()
        assert all(each.result() for each in waiting)
    assert [hasher.verify(encoded, PASSWORD) for _ in range(10)] == [True] * 10
    hasher.close()


def test_a_stall_or_a_costly_imported_hash_does_not_shut_the_door() -> None:
    durations = iter([0.1] * 14 + [9.0] * 7 + [0.1] * 15 + [9.0] * 8)
    ends = (time for now in itertools.count(0, 10) for time in (now, now, now + next(durations)))
    next(ends)  # the first duration is that of a hash that nobody waits for
    hasher = Hasher(CHEAP, threads=1, longest_wait_s=8, timer=lambda: next(ends))

    def one_takes_after(hashes: int) -> float:
        for _ in range(hashes):
            hasher.hash("x")
        return hasher._hash_s

    assert [one_takes_after(hashes) for hashes in (13, 7, 15, 7, 1)] == pytest.approx([0.1, 0.1, 0.1, 0.1, 9.0])
    hasher.close()


def test_a_longer_wait_lets_all_of_them_in() -> None:
    hasher = Hasher(CHEAP, threads=2, longest_wait_s=60)
    encoded = hasher.hash(PASSWORD)
    assert by_many(lambda _: hasher.verify(encoded, PASSWORD)) == [True] * HANDS
    hasher.close()


def test_memory_is_kept_no_longer_than_somebody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "is_usable", lambda: True)
    hasher = Hasher(CHEAP, threads=1)
    assert native._spares == []
    go_on, kept = threading.Event(), []
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(hasher._run, lambda: go_on.wait(30) and hash_password(PASSWORD, CHEAP))
        wait_until(lambda: hasher._calls == 1)
        second = pool.submit(hasher._run, lambda: kept.extend(native._spares))
        wait_until(lambda: hasher._calls == 2)
        go_on.set()
        first.result()
        second.result()
    assert (len(kept), native._spares) == (1, [])
    hasher.close()


def test_a_thread_that_can_not_be_started_leaves_the_count_right(monkeypatch: pytest.MonkeyPatch) -> None:
    hasher = Hasher(CHEAP, threads=2, longest_wait_s=60)
    go_on = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(hasher._run, lambda: go_on.wait(30))
        wait_until(lambda: hasher._calls == 1)
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", refuse)
            with pytest.raises(RuntimeError):
                hasher.hash("x")
        go_on.set()
        assert first.result()
    hasher.close()
    assert hasher._calls == 0


def refuse(_thread: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


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
    service.doorward.env.hasher._longest_wait_s = 0.05
    answers = by_many(lambda _: service.call("POST", "/auth/login", json={"username": EMAIL, "password": PASSWORD}))
    assert {each.status_code for each in answers} == {200, 503}
    for shed in (each for each in answers if each.status_code == 503):
        assert (shed.json()["message"], shed.headers["Retry-After"]) == ("OVERLOADED", "1")
    with service.doorward.env.db.read() as tx:
        assert tx.execute(sa.select(throttles)).all() == []
