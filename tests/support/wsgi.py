"""Requests that no HTTP client of a library makes: raw header values, any method, bodies of a false length."""

import io
from typing import Any
from urllib.parse import quote

import httpx

from tests.support.service import PUBLIC_URL, Service


def raw_call(service: Service, verb: str, path: str, body: bytes = b"", **environ: Any) -> httpx.Response:
    """One request with exactly this WSGI environment; `HTTP_X="é"` is the header's bytes as Latin-1 (PEP 3333)."""
    told: dict[str, Any] = {}

    def start(line: str, headers: list[tuple[str, str]], _exc_info: Any = None) -> None:
        told.update(status=int(line[:3]), headers=headers)

    given = {
        "REQUEST_METHOD": verb,
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "auth.example.org",
        "SERVER_PORT": "443",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "192.0.2.1",
        "wsgi.url_scheme": "https",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
    }
    content = b"".join(service.doorward.app(given | environ, start))
    request = httpx.Request(verb, f"{PUBLIC_URL}{quote(path)}")
    answer = httpx.Response(told["status"], headers=told["headers"], content=content, request=request)
    service.check(answer)
    return answer
