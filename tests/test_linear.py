"""The checker of histories: it takes what one after another could explain, and nothing else."""

import random
from itertools import permutations

import pytest

from tests.support.linear import Call, History, find_order, told_in_order
from tests.support.threads import by_many


def register(state: str, asked: str, told: str) -> str | None:
    """A register: `w1` writes, `r` is told what was written last."""
    if asked == "r":
        return state if told == state else None
    return asked[1:]


def once(state: bool, asked: str, told: str) -> bool | None:  # noqa: FBT001
    """Something that can be taken once: True while it is there."""
    assert asked == "take"
    if told == "taken":
        return False if state else None
    return None if state else False


def calls(*spans: tuple[str, str, int, int]) -> list[Call]:
    return [Call(*each) for each in spans]


GOOD = {
    "nothing": calls(),
    "one after another": calls(("w1", "", 0, 1), ("r", "1", 2, 3), ("w2", "", 4, 5), ("r", "2", 6, 7)),
    "a read beside a write sees the old": calls(("w1", "", 0, 9), ("r", "0", 1, 2)),
    "a read beside a write sees the new": calls(("w1", "", 0, 9), ("r", "1", 1, 2)),
    "old, then new, beside one write": calls(("w1", "", 0, 9), ("r", "0", 1, 2), ("r", "1", 3, 4)),
    "two writes in the order that the reads tell": calls(
        ("w1", "", 0, 9), ("w2", "", 0, 9), ("r", "2", 1, 2), ("r", "1", 3, 4)
    ),
    "ends and begins at the same moment": calls(("w1", "", 0, 5), ("r", "0", 5, 6)),
}
BAD = {
    "a read that comes too late for the old": calls(("w1", "", 0, 1), ("r", "0", 2, 3)),
    "a read of what nobody wrote": calls(("w1", "", 0, 9), ("r", "7", 1, 2)),
    "new, then old, beside one write": calls(("w1", "", 0, 9), ("r", "1", 1, 2), ("r", "0", 3, 4)),
    "a write that is lost": calls(("w1", "", 0, 1), ("w2", "", 2, 3), ("r", "1", 4, 5)),
    "two readers who saw two writes in two orders": calls(
        ("w1", "", 0, 9), ("w2", "", 0, 9), ("r", "1", 10, 11), ("r", "2", 12, 13)
    ),
    "a read before its write began": calls(("r", "1", 0, 1), ("w1", "", 2, 3)),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_history_that_an_order_explains_is_taken(name: str) -> None:
    found = find_order(GOOD[name], "0", register)
    assert found is not None
    assert sorted(found, key=str) == sorted(GOOD[name], key=str)


@pytest.mark.parametrize("name", BAD)
def test_a_history_that_no_order_explains_is_refused(name: str) -> None:
    assert find_order(BAD[name], "0", register) is None


def test_what_can_be_taken_once_has_one_winner() -> None:
    at_once = [("take", "taken", 0, 9), ("take", "gone", 0, 9), ("take", "gone", 0, 9)]
    assert find_order(calls(*at_once), True, once) is not None  # noqa: FBT003
    assert find_order(calls(*at_once, ("take", "taken", 0, 9)), True, once) is None  # noqa: FBT003
    # Told that it is gone before anybody began to take it.
    assert find_order(calls(("take", "gone", 0, 1), ("take", "taken", 2, 3)), True, once) is None  # noqa: FBT003


def by_all_orders(history: list[Call]) -> bool:
    """The definition, word by word."""
    for order in permutations(history):
        in_time = all(not later.ended < each.began for at, each in enumerate(order) for later in order[at:])
        state: str | None = "0"
        for each in order:
            state = None if state is None else register(state, each.asked, each.told)
        if in_time and state is not None:
            return True
    return False


def test_the_search_agrees_with_the_definition() -> None:
    draw = random.Random(1)  # noqa: S311 -- no secret
    verdicts = []
    for _ in range(400):
        history = []
        for _ in range(5):
            began, asked = draw.randrange(12), draw.choice(["r", "r", "w1", "w2"])
            told = draw.choice("012") if asked == "r" else ""
            history.append(Call(asked, told, began, began + draw.randrange(8)))
        verdicts.append(by_all_orders(history))
        assert (find_order(history, "0", register) is not None) == verdicts[-1]
    assert 50 < sum(verdicts) < 350


def test_a_long_history_of_few_clients_is_searched_at_once() -> None:
    history = calls(*((f"w{number % 3}", "", number, number + 6) for number in range(120)))
    assert find_order(history, "0", register) is not None
    assert find_order([*history, Call("r", "7", 125, 126)], "0", register) is None


def test_calls_of_many_threads_are_noted_whole() -> None:
    history = History()
    told = by_many(lambda number: history.make(f"w{number}", lambda: f"told {number}"), 8)
    assert sorted(told) == sorted(each.told for each in history.calls)
    assert all(each.began <= each.ended for each in history.calls)
    assert told_in_order(history.calls).count("\n") == 7
