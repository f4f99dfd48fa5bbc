"""How answers and errors look on the wire."""

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import msgspec

from doorward.core.errors import REASONS, Refused

JSON = "application/json"
TEXT = "text/plain"
NOSNIFF = ("X-Content-Type-Options", "nosniff")
NO_STORE = ("Cache-Control", "no-store")

encode_json = msgspec.json.Encoder().encode

Headers = list[tuple[str, str]]


@dataclass
class Answer:
    """What an operation gives where its content alone does not say it: with headers of its own."""

    content: Any = None
    headers: Headers = field(default_factory=list)


@dataclass(slots=True)
class Response:
    """What goes to the client."""

    status: int
    headers: Headers
    body: bytes = b""


def with_body(status: int, headers: Headers, content_type: str, body: bytes) -> Response:
    """A response with this content, whose type browsers are told to believe."""
    described = [NOSNIFF, ("Content-Type", content_type), ("Content-Length", str(len(body)))]
    return Response(status, headers + described, body)


def respond(answer: Any) -> Response:
    """An operation's answer, an `Answer` or just its content: nothing (204), a text, or an object."""
    headers = [NO_STORE]
    content = answer
    if isinstance(answer, Answer):
        content = answer.content
        headers += answer.headers
    if content is None:
        return Response(204, [*headers, NOSNIFF])
    if isinstance(content, str):
        return with_body(200, headers, TEXT, content.encode())
    return with_body(200, headers, JSON, encode_json(content))


def refuse(refused: Refused) -> Response:
    """The one shape that every error has; `retryAfter` and its header for those that pass with time."""
    status = refused.status
    headers = [NO_STORE]
    body: dict[str, Any] = {"statusCode": status, "error": REASONS[status], "message": refused.code}
    if refused.retry_after is not None:
        seconds = max(1, refused.retry_after)
        if refused.code != "Last password forgot call was too recent":
            body["retryAfter"] = seconds
        headers.append(("Retry-After", str(seconds)))
    if status == HTTPStatus.UNAUTHORIZED:
        # RFC 9110 section 15.5.2: a 401 names a scheme.
        headers.append(("WWW-Authenticate", "Bearer"))
    return with_body(status, headers, JSON, encode_json(body))
