"""A request as the contract's operations see it: a view of the WSGI environ (PEP 3333) that parses what is asked for.

The operations are what this service is there for, so they do without a framework's request object, which cost an
exchange more than its look-up (docs/decisions/0008).
"""

from typing import Any
from urllib.parse import parse_qs

from doorward.core.errors import BadInput

LONGEST_LENGTH = 20
"""Digits of a length: more bytes than any body may have."""


class Request:
    """One request; `env` is its WSGI environ."""

    __slots__ = ("env",)

    def __init__(self, env: dict[str, Any]) -> None:
        self.env = env

    @property
    def method(self) -> str:
        return str(self.env["REQUEST_METHOD"])

    @property
    def content_type(self) -> str | None:
        return self.env.get("CONTENT_TYPE")

    @property
    def content_length(self) -> int | None:
        """Bytes; None when the request does not tell. Raises BadInput for what is no length (RFC 9110 section 8.6)."""
        told: str | None = self.env.get("CONTENT_LENGTH")
        if not told:
            return None
        if not (told.isascii() and told.isdigit()):
            raise BadInput("Content-Length must be a number")
        # Zeros in front change no length; more digits than these are no length, nor one that `int` would read.
        digits = told.lstrip("0")[:LONGEST_LENGTH]
        return int(digits or "0")

    @property
    def params(self) -> dict[str, list[str]]:
        """The values of each query parameter."""
        query: str = self.env.get("QUERY_STRING", "")
        return parse_qs(query, keep_blank_values=True) if query else {}

    @property
    def cookies(self) -> dict[str, str]:
        """By name; the first of those with the same name, which has the longest path (RFC 6265 section 5.4)."""
        found: dict[str, str] = {}
        for pair in self.env.get("HTTP_COOKIE", "").split(";"):
            name, is_pair, value = pair.partition("=")
            if is_pair:
                found.setdefault(name.strip(" \t"), value.strip(' \t"'))
        return found
