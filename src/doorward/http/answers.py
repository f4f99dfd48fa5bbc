"""How answers and errors look on the wire."""

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import falcon
import msgspec

from doorward.core.errors import REASONS, Refused

JSON = "application/json"
TEXT = "text/plain"

encode_json = msgspec.json.Encoder().encode


@dataclass
class Answer:
    """What an operation gives: nothing (204), a text, or an object; with headers of its own where it has any."""

    content: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    cookies: list[str] = field(default_factory=list)


def send(resp: falcon.Response, answer: Any) -> None:
    """Write an operation's answer: an `Answer`, or just its content."""
    content = answer
    if isinstance(answer, Answer):
        content = answer.content
        for name, value in answer.headers.items():
            resp.set_header(name, value)
        for cookie in answer.cookies:
            resp.append_header("Set-Cookie", cookie)
    if content is None:
        resp.status = "204 No Content"
    elif isinstance(content, str):
        resp.content_type = TEXT
        resp.data = content.encode()
    else:
        resp.content_type = JSON
        resp.data = encode_json(content)


def send_error(resp: falcon.Response, refused: Refused) -> None:
    """The one shape that every error has; `retryAfter` and its header for those that pass with time."""
    status = refused.status
    body: dict[str, Any] = {"statusCode": status, "error": REASONS[status], "message": refused.code}
    if refused.retry_after is not None:
        seconds = max(1, refused.retry_after)
        if refused.code != "Last password forgot call was too recent":
            body["retryAfter"] = seconds
        resp.set_header("Retry-After", str(seconds))
    if status == HTTPStatus.UNAUTHORIZED:
        # RFC 9110 section 15.5.2: a 401 names a scheme.
        resp.set_header("WWW-Authenticate", "Bearer")
    resp.status = f"{status} {REASONS[status]}"
    resp.content_type = JSON
    resp.data = encode_json(body)
