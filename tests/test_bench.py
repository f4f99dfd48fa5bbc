"""The parts of the benchmark that can be wrong without anyone seeing it: its figures' arithmetic and its tables."""

import json
from pathlib import Path

import pytest

from bench.ceilings import sum_of_parts
from bench.compare import Measured, Series, compare
from bench.mix import SHARES, faults, order
from bench.operations import OPERATIONS
from bench.page import PAGE, SCALE, TIMING, TRACING, filled, markdown
from bench.peers.measure import TRIES, Sample, Samples, in_turns, quietest, times
from bench.report import OperationRow, Report, Row, Target, table
from bench.trend import Allowance, trend

CONTRACT = Path(__file__).parent.parent / "src/doorward/http/openapi.json"


def test_every_operation_of_the_contract_is_measured_once() -> None:
    paths = json.loads(CONTRACT.read_text("utf-8"))["paths"]
    contract = [f"{method.upper()} {path}" for path, methods in paths.items() for method in methods]
    assert sorted(each.name for each in OPERATIONS) == sorted(contract)


def test_each_operation_has_a_file_of_its_own() -> None:
    assert len({each.file for each in OPERATIONS}) == len(OPERATIONS)


def test_a_ratio_is_to_the_mean_of_the_yardstick_before_and_after() -> None:
    yardsticks = iter([100.0, 300.0])
    stick, measured = compare(lambda: next(yardsticks), {"thing": lambda: 50.0}, rounds=1)
    assert measured["thing"].ratios.figures == [0.25]
    assert stick.again.figures == [3.0]


def test_parts_one_after_another_take_the_sum_of_their_times() -> None:
    assert sum_of_parts(100.0, 100.0, 50.0) == pytest.approx(25.0)


@pytest.mark.parametrize(
    ("target", "figure", "met"),
    [
        (Target(0.5, at_least=True), 0.5, True),
        (Target(0.5, at_least=True), 0.49, False),
        (Target(70, " MB"), 70, True),
        (Target(70, " MB"), 70.1, False),
    ],
)
def test_a_bound_itself_meets_the_target(target: Target, figure: float, met: bool) -> None:  # noqa: FBT001
    assert target.met(figure) is met


def test_a_target_judges_the_ratio_where_there_is_one() -> None:
    row = Row("a", Series([5.0]), "/s", Series([0.4]), Target(0.5, at_least=True))
    assert row.met is False
    assert Report("machine", rows=[row]).met is False


def test_figures_stand_to_the_right_and_words_to_the_left() -> None:
    lines = table([("", "value", "what"), ("short", "1", "x"), ("longer", "1,000", "longest")], words=1)
    assert lines == ["        value  what", "short       1  x", "longer  1,000  longest"]


def test_a_report_shows_every_database_of_an_operation() -> None:
    rates = {
        "SQLite": Measured(Series([2000.0]), Series([0.5])),
        "PostgreSQL": Measured(Series([900.0]), Series([0.25])),
    }
    lines = str(Report("machine", operations=[OperationRow("GET /x", rates, "a look")])).splitlines()
    assert ["GET", "/x", "2,000/s", "0.50", "900/s", "0.25", "a", "look"] in [line.split() for line in lines]


def test_a_page_keeps_all_but_what_is_between_its_markers() -> None:
    page = "before\n<!-- a: begin -->\nold\n<!-- a: end -->\nafter\n"
    once = filled(page, "a", "new\n")
    assert once == "before\n<!-- a: begin -->\n\nnew\n\n<!-- a: end -->\nafter\n"
    assert filled(once, "a", "new") == once


def test_a_page_without_the_markers_is_left_alone() -> None:
    with pytest.raises(ValueError, match="no markers for b"):
        filled("<!-- a: begin -->\n<!-- a: end -->\n", "b", "new")


@pytest.mark.parametrize(
    ("name", "page"),
    [
        ("bench", PAGE),
        ("peers", PAGE),
        ("soak sqlite", PAGE),
        ("soak postgresql", PAGE),
        ("traces", TRACING),
        ("size", SCALE),
        ("timing sqlite", TIMING),
        ("timing postgresql", TIMING),
    ],
)
def test_the_documentation_has_a_place_for_each_command(name: str, page: Path) -> None:
    assert "figures" in filled(page.read_text("utf-8"), name, "figures")


def test_a_markdown_table_sets_figures_to_the_right() -> None:
    assert markdown(("", "rate"), [("a", "1")]) == "|  | rate |\n| --- | ---: |\n| a | 1 |"


def test_a_sample_is_quiet_when_the_machine_stayed_as_fast() -> None:
    sample = Sample(50, before=100, after=110)
    assert sample.noise == pytest.approx(0.1)
    assert sample.ratio == pytest.approx(50 / 105)


def test_a_quiet_sample_is_not_taken_again() -> None:
    sticks = iter([100.0, 101.0])
    assert quietest(lambda: next(sticks), lambda: 7.0) == Sample(7.0, 100.0, 101.0)


def test_of_restless_samples_the_quietest_counts() -> None:
    sticks, takes = iter([100.0, 200.0, 260.0, 130.0]), iter([1.0, 2.0, 3.0])
    assert quietest(lambda: next(sticks), lambda: next(takes)) == Sample(2.0, 200.0, 260.0)
    assert TRIES == 3


def test_all_are_sampled_in_every_round() -> None:
    taken: list[str] = []

    def take(name: str) -> float:
        taken.append(name)
        return 1.0

    samples = in_turns(lambda: 1.0, {"a": lambda: take("a"), "b": lambda: take("b")}, rounds=2)
    assert taken == ["a", "b", "a", "b"]
    assert len(samples["a"].taken) == 2


def test_how_many_times_another_is_told_beside_what_the_machine_could_do() -> None:
    ours = Samples([Sample(100, before=10, after=10)])
    theirs = Samples([Sample(10, before=20, after=20)])
    assert times(ours, theirs).figures == [20.0]


def test_a_trend_compares_thirds_after_the_warm_up() -> None:
    found = trend("memory", [0, 0, 0, 10, 10, 10, 10, 10, 50, 50, 50, 50, 50, 12, 12, 12, 12, 12], Allowance(0.2, 0))
    assert (found.first, found.last, found.flat) == (10, 12, True)


@pytest.mark.parametrize(("share", "amount", "flat"), [(0.1, 0, False), (0, 1, False), (0, 2, True), (0.2, 0, True)])
def test_a_rise_beyond_both_allowances_is_not_flat(share: float, amount: float, flat: bool) -> None:  # noqa: FBT001
    assert trend("x", [10] * 9 + [12] * 9, Allowance(share, amount)).flat is flat


def test_what_falls_is_flat() -> None:
    assert trend("x", [10] * 9 + [5] * 9, Allowance(0, 0)).flat


def test_too_few_figures_are_no_trend() -> None:
    with pytest.raises(ValueError, match="too few"):
        trend("x", [1] * 5, Allowance(0, 0))


def test_a_mix_spreads_each_kind_evenly() -> None:
    circle = order({"often": 4, "seldom": 2})
    assert [circle[:3].count("seldom"), circle[3:].count("seldom")] == [1, 1]
    assert len(order(SHARES)) == sum(SHARES.values()) == 100


def test_only_unexpected_answers_are_faults() -> None:
    assert faults({"exchange": 5, "login: 503": 2}) == {"login: 503": 2}
