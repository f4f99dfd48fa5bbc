"""Attacks on the web's own seams: what one request can make of the next, of a mail, of the log, of a browser's cookies.

Header injection and open redirects are drawn at random in tests/test_parsers.py.
"""

import gzip
import io
import json
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from doorward.core import logs
from doorward.core.logs import Format, logger
from tests.support.databases import copied_sqlite
from tests.support.person import Person, good
from tests.support.servers import HOST, Server, environment
from tests.support.service import EMAIL, PASSWORD, Service
from tests.support.smtp import smtp_catcher
from tests.support.visitor import Visitor
from tests.support.wsgi import raw_call

# Request smuggling


@pytest.fixture(scope="module")
def server(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("smuggling")
    with smtp_catcher() as smtp, copied_sqlite(sqlite_template) as url:
        running = Server(environment(url, folder, smtp), folder / "log").start()
        yield running
        running.stop()


LOGIN = b"POST /auth/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
CHUNKED = LOGIN + b"Transfer-Encoding: chunked\r\n"
HIDDEN = b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n"
# As the last request of what is sent: its answer is the end.
LAST = b"GET /health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

# A proxy in front may see the end of the first request elsewhere than we: nothing behind it may be a request to us.
AMBIGUOUS = {
    "length and chunks": CHUNKED + b"Content-Length: 4\r\n\r\n0\r\n\r\n",
    "chunks and length of more": LOGIN + b"Content-Length: 50\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": LOGIN + b"Content-Length: 0\r\nContent-Length: 40\r\n\r\n",
    "a list of lengths": LOGIN + b"Content-Length: 0, 40\r\n\r\n",
    "a length with a sign": LOGIN + b"Content-Length: +0\r\n\r\n",
    "a length below zero": LOGIN + b"Content-Length: -1\r\n\r\n",
    "a length in hexadecimal": LOGIN + b"Content-Length: 0x0\r\n\r\n",
    "a length without an end": LOGIN + b"Content-Length: 99999999999999999999999\r\n\r\n",
    "another coding": LOGIN + b"Transfer-Encoding: xchunked\r\n\r\n",
    "another coding and a length": LOGIN + b"Transfer-Encoding: xchunked\r\nContent-Length: 0\r\n\r\n",
    "chunked not last": LOGIN + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "two codings": CHUNKED + b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "a blank before the colon": LOGIN + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "a vertical tab": LOGIN + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "a folded line": LOGIN + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": CHUNKED.replace(b"HTTP/1.1", b"HTTP/1.0") + b"\r\n0\r\n\r\n",
    "a carriage return in a header": LOGIN + b"X: a\rContent-Length: 0\r\n\r\n",
    "a zero byte in a header": LOGIN + b"X: a\0b\r\nContent-Length: 0\r\n\r\n",
    "a line feed alone after a chunk": CHUNKED + b"\r\n0\n\n",
    "a chunk of less than nothing": CHUNKED + b"\r\n-1\r\n\r\n",
    "a chunk's length with a prefix": CHUNKED + b"\r\n0x0\r\n\r\n",
    "a chunk's length that overflows": CHUNKED + b"\r\nfffffffffffffffff0\r\n\r\n",
    "a line feed in a chunk's extension": CHUNKED + b"\r\n0;\n\r\n\r\n",
    "no version": b"GET /health/live\r\n\r\n",
}
# The first request has one end, and what follows is the next: it must get an answer of its own.
PLAIN = {
    "a length": LOGIN + b"Content-Length: 2\r\n\r\n{}",
    "chunks": CHUNKED + b"\r\n2\r\n{}\r\n0\r\n\r\n",
    "a tab before the coding": LOGIN + b"Transfer-Encoding:\tchunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "a length among the trailers": CHUNKED + b"\r\n2\r\n{}\r\n0\r\nContent-Length: 50\r\n\r\n",
    "headers that only look like a length": LOGIN + b"Content_Length: 50\r\nContent-Length: 2\r\n\r\n{}",
    "headers that only look like a coding": LOGIN + b"Transfer_Encoding: chunked\r\nContent-Length: 2\r\n\r\n{}",
    "a body that nobody reads": HIDDEN[:-2] + b"Content-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN,
    "a body behind a refusal": HIDDEN.replace(b"GET /health/live", b"POST /auth/logout")[:-2]
    + b"Content-Length: %d\r\n\r\n" % len(HIDDEN)
    + HIDDEN,
}


def answers(server: Server, sent: bytes) -> list[bytes]:
    """The status of each answer until the server closes the connection."""
    with socket.create_connection((HOST, server.port), timeout=30) as connection:
        connection.sendall(sent)
        told = b""
        try:
            while more := connection.recv(65_536):
                told += more
        except ConnectionResetError:
            # It was closed while more was on its way.
            pass
    return re.findall(rb"HTTP/1\.[01] (\d{3})", told)


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_behind_a_request_without_a_clear_end_nothing_is_a_request(server: Server, name: str) -> None:
    assert answers(server, AMBIGUOUS[name] + HIDDEN) in ([], [b"400"])


@pytest.mark.parametrize("name", PLAIN)
def test_a_body_is_never_a_request(server: Server, name: str) -> None:
    told = answers(server, PLAIN[name] + LAST)
    assert len(told) == 2
    assert told[1] == b"200"


# Host-header poisoning

EVIL = "evil.example"
POISON = {
    "Host": EVIL,
    "X-Forwarded-Host": EVIL,
    "X-Forwarded-Proto": "http",
    "X-Original-URL": f"https://{EVIL}/",
    "X-Rewrite-URL": f"https://{EVIL}/",
    "Forwarded": f"host={EVIL};proto=http",
    "Referer": f"https://{EVIL}/",
    "Origin": f"https://{EVIL}",
}


def test_no_header_decides_where_a_mail_leads(service: Service) -> None:
    person = Person.at(service)
    access = person.access
    asked = [
        ("POST", "/user/password/reset/send", None, {"email": EMAIL}),
        ("POST", "/user/email/initiate", access, {"email": "new@example.org"}),
        ("POST", "/user/2fa/email-otp/setup", access, {"email": "codes@example.org"}),
    ]
    for verb, path, token, body in asked:
        good(service.call(verb, path, token, json=body, headers=POISON))
    service.deliver()
    assert len(service.smtp.mails) == 3
    for mail in service.smtp.mails:
        assert EVIL not in mail.message.as_string()
        assert all(EVIL not in str(part.get_content()) for part in mail.message.walk() if not part.is_multipart())


def test_no_header_decides_where_a_page_leads(service: Service) -> None:
    for path in ("/account", "/account/password", "/account/sign-in", "/.well-known/change-password"):
        answer = service.client.get(path, headers=POISON)
        assert EVIL not in answer.text
        assert EVIL not in str(answer.headers)
    assert EVIL not in service.client.get("/account", headers=POISON).headers["Location"]


def test_a_form_with_the_origin_of_another_host_is_refused(service: Service) -> None:
    visitor = Visitor.at(service, "/account/sign-in")
    typed = visitor.hidden("/account/sign-in") | {"username": EMAIL, "password": PASSWORD}
    answer = visitor.client.post("/account/sign-in", data=typed, headers={"Origin": f"https://{EVIL}"})
    assert answer.status_code == 403


# Cookie tossing and fixation


def test_of_two_cookies_of_one_name_the_first_counts(service: Service) -> None:
    own, tossed = Person.at(service), Person.at(service, "mallory@example.org")
    # Browsers send that of the longest path first (RFC 6265 section 5.4), and of two as long the older one.
    header = f"refreshToken={own.refresh}; refreshToken={tossed.refresh}"
    answer = service.call("GET", "/auth/refreshtoken/validate", headers={"Cookie": header})
    assert good(answer) == {"userId": own.id}


def test_the_pages_take_no_cookie_that_another_host_could_have_set(service: Service) -> None:
    tossed = Person.at(service, "mallory@example.org")
    for name in ("doorward-session", "session", "refreshToken", "__host-doorward-session", "__Host-Doorward-session"):
        answer = service.client.get("/account", headers={"Cookie": f"{name}={tossed.refresh}"})
        assert answer.status_code == 303
        assert answer.headers["Location"] == "/account/sign-in"


def test_a_login_takes_no_session_that_was_there_before(service: Service) -> None:
    service.add_user()
    tossed = Person.at(service, "mallory@example.org")
    visitor = Visitor.at(service, "/account/sign-in")
    visitor.client.cookies.set("__Host-doorward-session", tossed.refresh, domain="auth.example.org", path="/")
    visitor.client.cookies.set("refreshToken", tossed.refresh, domain="auth.example.org", path="/auth")
    body = {"username": EMAIL, "password": PASSWORD}
    first, second = (visitor.client.post("/auth/login?cookie=true", json=body).text for _ in range(2))
    assert len({tossed.refresh, first, second}) == 3
    good(service.call("POST", "/auth/logout", first))
    for alive in (tossed.refresh, second):
        good(service.call("GET", "/auth/refreshtoken/validate", alive))


# Decompression


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "identity, gzip"])
def test_no_body_is_decompressed(service: Service, coding: str) -> None:
    # Ten million blanks, in fewer bytes than a body may have.
    bomb = gzip.compress(b" " * 10_000_000)
    assert len(bomb) < 64 * 1024
    answer = service.call(
        "POST", "/auth/login", content=bomb, headers={"Content-Encoding": coding, "Content-Type": "application/json"}
    )
    assert answer.status_code == 400
    assert answer.json()["message"] == "Body is not valid JSON"


# Log injection

FORGED = '\r\n{"level":"info","event":"forged"}\r\nforged'


@pytest.mark.parametrize("line_format", [logs.json_line, logs.text_line])
def test_nothing_that_is_sent_makes_a_line_of_the_log(start: Callable[..., Service], line_format: Format) -> None:
    service = start(trusted_proxies="192.0.2.0/24")
    service.add_user()
    kept, before = io.BytesIO(), (logger._stream, logger._format)
    logger.configure(kept, line_format)
    try:
        calls = send_forged(service)
    finally:
        logger._stream, logger._format = before
    lines = kept.getvalue().decode().splitlines()
    assert len(lines) == calls
    assert not any("forged" in line for line in lines)
    if line_format is logs.json_line:
        assert all(json.loads(line)["event"] == "request" for line in lines)


def send_forged(service: Service) -> int:
    """Put it wherever something can be put; gives how many calls that were."""
    as_json = json.dumps({"username": FORGED, "password": FORGED, "email": FORGED, "otp": FORGED}).encode()
    told = {"CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(as_json))}
    names = ("HTTP_USER_AGENT", "HTTP_FORWARDED", "HTTP_X_FORWARDED_FOR", "HTTP_AUTHORIZATION", "HTTP_COOKIE")
    others = ("HTTP_HOST", "HTTP_ORIGIN", "HTTP_REFERER", "HTTP_X_REQUEST_ID", "QUERY_STRING", "REQUEST_METHOD")
    sent = 0
    for name in (*names, *others):
        given = {name: FORGED} if name != "REQUEST_METHOD" else {}
        verb = FORGED if name == "REQUEST_METHOD" else "POST"
        for path in ("/auth/login", "/user/password/reset/send", "/account/sign-in", f"/{FORGED}"):
            raw_call(service, verb, path, as_json, **told, **given)
            sent += 1
    return sent


def test_no_header_decides_what_is_published(service: Service) -> None:
    for path in ("/openapi.json", "/docs", "/.well-known/jwks.json"):
        answer = service.client.get(path, headers=POISON)
        assert EVIL not in answer.text
