"""Holds an answer of the service against its contract, `openapi.json` and the rules that a schema cannot say."""

import functools
import json
from importlib.resources import files
from typing import Any

import httpx
import jsonschema_rs

DOCUMENT: dict[str, Any] = json.loads(files("doorward.http").joinpath("openapi.json").read_text("utf-8"))
OPERATIONS: dict[tuple[str, str], dict[str, Any]] = {
    (verb.upper(), path): operation for path, verbs in DOCUMENT["paths"].items() for verb, operation in verbs.items()
}
# As CONTRACT.md words them: not taken from the code, which is to be held against them.
REASONS = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    413: "Payload Too Large",
    415: "Unsupported Media Type",
    429: "Too many requests",
    500: "Internal server error",
    503: "Service Unavailable",
}
# What may become of any request, so that no operation documents it. A body that is not JSON is a 400 even where the
# contract lists none, and a crash or an overload can be anywhere.
UNDOCUMENTED = {400, 404, 405, 413, 415, 500, 503}


def hold(response: httpx.Response) -> None:
    """Raises AssertionError for an answer that breaks the contract."""
    response.read()
    assert len(response.headers["x-request-id"]) == 20
    request, status = response.request, response.status_code
    if request.method == "HEAD":
        return
    operation = OPERATIONS.get((request.method, request.url.path))
    documented = operation["responses"].get(str(status)) if operation else None
    if operation is not None:
        assert documented is not None or status in UNDOCUMENTED, f"{status} is not documented"
        assert response.headers["cache-control"] == "no-store"
        _hold_cookies(response)
    if status >= 400 and not request.url.path.startswith(("/health/", "/account")) and not _is_page(response):
        _hold_error(response)
    if documented is not None:
        _hold_body(response, documented)


def _is_page(response: httpx.Response) -> bool:
    """Whether it is a page for people, where pages are; for programs, errors are the contract's."""
    path = response.request.url.path
    is_place = path == "/" or (path.startswith(("/admin", "/docs", "/dev")) and not path.startswith("/admin/api"))
    return is_place and response.headers["content-type"].startswith("text/html")


def _hold_body(response: httpx.Response, documented: dict[str, Any]) -> None:
    contents = documented.get("content")
    if contents is None:
        assert response.status_code == 204
        assert response.content == b""
        assert "content-type" not in response.headers
        return
    ((content_type, content),) = contents.items()
    assert response.headers["content-type"] == content_type
    if content_type == "text/plain":
        assert response.text
        assert response.text == response.text.strip().strip('"')
        return
    _validator(json.dumps(content["schema"])).validate(response.json())


def _hold_error(response: httpx.Response) -> None:
    status, body = response.status_code, response.json()
    assert response.headers["content-type"] == "application/json"
    assert body["statusCode"] == status
    assert body["error"] == REASONS[status]
    assert isinstance(body["message"], str)
    assert body["message"]
    assert set(body) <= {"statusCode", "error", "message", "retryAfter"}
    assert ("retryAfter" in body) <= (status in {429, 503})
    if status == 429:
        assert body.get("retryAfter", 1) >= 1
        seconds = response.headers["retry-after"]
        assert seconds == str(body["retryAfter"] if "retryAfter" in body else int(seconds))
        assert int(seconds) >= 1
    if status == 405:
        assert response.headers["allow"]
    if status == 401 and response.request.url.path.startswith("/auth/"):
        # Clients tell their user by these words that a second factor is missing.
        tells = "2FA" in body["message"] or "PARTIAL" in body["message"]
        assert tells == (body["message"] == "2FA_REQUIRED_PARTIAL_TOKEN")


def _hold_cookies(response: httpx.Response) -> None:
    asked = "cookie" in response.request.url.params or response.request.url.path == "/auth/logout"
    assert asked or "set-cookie" not in response.headers


@functools.cache
def _validator(schema: str) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(json.loads(schema), validate_formats=True)
