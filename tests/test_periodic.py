"""What is done in the background goes on whatever befalls it, tells of an outage once, and stops when it is told to."""

import threading
from collections.abc import Callable

from doorward.core.errors import DatabaseUnavailable
from doorward.core.periodic import Periodic
from tests.support.logs import logged

DAY_S = 24 * 3600.0
GONE, AGAIN = ("warning", "test: database unavailable"), ("info", "test: database available again")


class Scripted(Periodic):
    """Does one step after another, and stops behind the last."""

    def __init__(self, *steps: float | Exception | None, rest_s: float = 0.0) -> None:
        super().__init__("test", rest_s)
        self.left = list(steps)

    def work(self) -> float | None:
        step = self.left.pop(0)
        if not self.left:
            self.stop()
        if isinstance(step, Exception):
            raise step
        return step


def away() -> DatabaseUnavailable:
    return DatabaseUnavailable("OperationalError")


def in_a_thread(run: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def test_an_outage_is_logged_as_it_begins_and_as_it_ends() -> None:
    part = Scripted(None, away(), away(), away(), None, None, away(), None)
    with logged() as log:
        part.run()
    assert log.events == [GONE, AGAIN, GONE, AGAIN]
    assert part.left == []


def test_a_crash_is_logged_with_its_place_and_neither_ends_an_outage_nor_the_work() -> None:
    part = Scripted(away(), ZeroDivisionError("a secret"), away(), ZeroDivisionError("a secret"), None, 0.0)
    with logged() as log:
        part.run()
    assert log.events == [GONE, ("error", "test: crash"), ("error", "test: crash"), AGAIN]
    assert all("ZeroDivisionError" in line["traceback"] for line in log.lines if line["level"] == "error")
    assert "a secret" not in str(log.texts)


def test_what_fails_is_tried_again_after_the_usual_rest_however_often_it_failed() -> None:
    part = Scripted(*(away() for _ in range(20)), ZeroDivisionError(), 7.0, None, rest_s=60.0)
    assert [part.turn() for _ in range(23)] == [60.0] * 21 + [7.0, 60.0]


def test_a_stop_ends_the_rest_before_the_work_and_after_it() -> None:
    resting = Scripted(None, rest_s=DAY_S)
    thread = in_a_thread(resting.run)
    resting.stop()
    thread.join(60)
    assert not thread.is_alive()
    assert resting.left == [None]

    worked = threading.Event()

    class Once(Periodic):
        def work(self) -> float:
            worked.set()
            return DAY_S

    once = Once("test", 0.0)
    thread = in_a_thread(once.run)
    assert worked.wait(60)
    once.stop()
    thread.join(60)
    assert not thread.is_alive()
