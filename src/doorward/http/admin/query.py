"""Query parameters, read into typed structs. One that is not known is refused: a filter left out shows too much."""

import re
from typing import TypeVar

import msgspec

from doorward.core.errors import BadInput
from doorward.http.request import Request

T = TypeVar("T", bound=msgspec.Struct)

WHERE = re.compile(r" - at `\$\.?(\w*)`")
WORDS = (
    (re.compile(r"Invalid enum value"), "must be equal to one of the allowed values"),
    (re.compile(r"Expected `int` (<=|>=) (-?\d+)"), r"must be \1 \2"),
    (re.compile(r"Expected `str` of length <= (\d+)"), r"must NOT have more than \1 characters"),
    (re.compile(r"Expected `str` of length >= (\d+)"), r"must NOT have fewer than \1 characters"),
    (re.compile(r"Expected `int"), "must be integer"),
    (re.compile(r"Integer value out of range"), "must be integer"),
    (
        re.compile(r"Invalid RFC3339|Expected `datetime|Timestamp is out of range"),
        "must be a time like 2026-01-31T12:00:00Z",
    ),
)


def read(req: Request, kind: type[T]) -> T:
    """Raises BadInput."""
    given = {}
    for name, values in req.params.items():
        if len(values) > 1:
            raise BadInput(f"querystring/{name[:40]} must be given once")
        given[name] = values[0]
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise BadInput(_in_words(str(error))) from None


def _in_words(error: str) -> str:
    found = WHERE.search(error)
    if found is None or not found[1]:
        return "querystring must NOT have additional properties"
    for pattern, words in WORDS:
        if told := pattern.match(error):
            return f"querystring/{found[1]} {told.expand(words)}"
    return f"querystring/{found[1]} is not valid"
