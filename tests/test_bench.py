"""The parts of the benchmark that can be wrong without anyone seeing it: its figures' arithmetic and its tables."""

import json
from pathlib import Path

import pytest

from bench.ceilings import sum_of_parts
from bench.compare import Measured, Series, compare
from bench.operations import OPERATIONS
from bench.report import OperationRow, Report, Row, Target, table

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
