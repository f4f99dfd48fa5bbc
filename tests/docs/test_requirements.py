"""`docs/security/requirements.md` tells the truth about itself: its tests exist, its counts are those of its rows."""

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/security/requirements.md").read_text("utf-8")
STATES = ("met", "departs", "not met", "does not apply")
ROW = re.compile(
    r"^\| (?P<clause>[^|]+) \| (?P<asks>[^|]+) \| (?P<state>[^|]+) \| (?P<why>[^|]*)\| (?P<tests>[^|]*)\|$"
)
ROWS = [found.groupdict() for line in PAGE.splitlines() if (found := ROW.match(line)) and found["clause"] != "clause"]
ROWS = [row for row in ROWS if not row["clause"].startswith("---")]
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


@cache
def names_of_tests(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize(("page", "least"), [("requirements", 150), ("parsers", 30), ("found", 10)])
def test_every_test_that_a_row_names_exists(page: str, least: int) -> None:
    text = (ROOT / f"docs/security/{page}.md").read_text("utf-8")
    named = TEST.findall(text)
    assert len(named) > least
    assert text.count("::test_") == len(named)
    for path, name in named:
        assert name in names_of_tests(path), f"{path}::{name}"


def test_the_counts_are_those_of_the_rows() -> None:
    counts = Counter(row["state"] for row in ROWS)
    assert set(counts) == set(STATES)
    for state in STATES:
        assert f"\n| {state} | {counts[state]} |\n" in PAGE
    assert f"\n| all | {len(ROWS)} |\n" in PAGE
    tables = PAGE[PAGE.index("\n## ") :]
    assert len(ROWS) == sum(line.startswith("| ") for line in tables.splitlines()) - 2 * tables.count("\n## ")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["clause"])
def test_a_row_that_is_met_names_its_test_and_any_other_its_reason(row: dict[str, str]) -> None:
    if row["state"] == "met":
        assert TEST.search(row["tests"])
    else:
        assert row["why"].strip()


def test_no_clause_has_two_rows_in_one_table() -> None:
    for table in PAGE.split("\n## ")[1:]:
        clauses = [line.split(" | ")[0] for line in table.splitlines() if line.startswith("| ")]
        assert len(clauses) == len(set(clauses))
