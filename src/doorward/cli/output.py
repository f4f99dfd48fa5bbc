"""What commands print: JSON, one object a line, or columns for people."""

import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

Row = Mapping[str, Any]
WORDS = re.compile("(?<=[a-z])(?=[A-Z])")


def print_json(row: Row | msgspec.Struct) -> None:
    print(msgspec.json.encode(row).decode())


def print_table(rows: Sequence[Row], *, heading: bool = True) -> None:
    """The rows in columns as wide as their widest value; an empty value shows as `-`."""
    if not rows:
        return
    names = list(rows[0])
    lines = [[WORDS.sub(" ", name).upper() for name in names]] if heading else []
    lines += [[_shown(row[name]) for name in names] for row in rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(names))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def say_none(line: str) -> None:
    """Where a list for people has nothing to show, say so on standard error; programs take no output for what it is."""
    print(f"doorward: {line}", file=sys.stderr)


def _shown(value: Any) -> str:
    return "-" if value is None or value == "" else str(value)
