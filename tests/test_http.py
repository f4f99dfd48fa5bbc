"""HTTP: paths, verbs, bodies, faults, the log, and the operational paths."""

import io
import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pyotp
import pytest
import sqlalchemy as sa

from doorward.app import build
from doorward.core.errors import Refused
from doorward.core.tables import events, metadata
from doorward.http import bodies
from doorward.http.arrivals import Arrivals
from doorward.http.reference import OPENAPI
from doorward.http.request import Request
from doorward.settings import load
from tests.support import contract
from tests.support.logs import logged
from tests.support.service import CHEAP, EMAIL, PASSWORD, Service
from tests.support.tokens import user_with_totp, user_without_2fa
from tests.support.wsgi import raw_call

JSON = {"Content-Type": "application/json"}
AS_JSON: dict[str, Any] = {"CONTENT_TYPE": "application/json"}
LOGIN = "/auth/login"


def message(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["message"]


def login_body(password: str = PASSWORD) -> bytes:
    return json.dumps({"username": EMAIL, "password": password}).encode()


# Paths and verbs


UNKNOWN_PATHS: list[str] = [
    "/", "/auth", "/auth/", "/auth/login/", "/AUTH/LOGIN", "/auth//login", "/user/2fa/", "/v1",
    "/docs/assets/x.js",
    "/docs/assets/../openapi.json",
    "/%2e%2e/etc/passwd", "/\u00e9", "/auth/login%00", "/dev/inbox", "/dev/inbox.json",
]  # fmt: skip


def test_an_unknown_path_is_not_found(service: Service) -> None:
    for path in UNKNOWN_PATHS:
        for verb in ("GET", "POST", "PUT", "DELETE", "PATCH", "BREW"):
            assert message(service.call(verb, path)) == (404, "NOT_FOUND")


UNTAKEN_VERBS: list[str] = ["PATCH", "HEAD", "TRACE", "CONNECT", "BREW", "PROPFIND", "get", "post", "X" * 100]


def test_a_verb_that_a_path_does_not_take_is_told_which_it_takes(service: Service) -> None:
    documented: dict[str, set[str]] = {}
    for known, path in contract.OPERATIONS:
        documented.setdefault(path, set()).add(known)
    for verb in UNTAKEN_VERBS:
        for path, verbs in documented.items():
            answer = raw_call(service, verb, path)
            assert answer.status_code == 405
            allowed = {each.strip() for each in answer.headers["allow"].split(",")}
            assert allowed - {"OPTIONS"} == verbs
            if verb != "HEAD":
                assert answer.json()["message"] == "METHOD_NOT_ALLOWED"


def test_the_verb_of_another_path_is_not_taken_either(service: Service) -> None:
    for path in ("/auth/login", "/user/2fa", "/user/password/otp", "/health/live", "/openapi.json", "/docs"):
        answer = service.call("DELETE", path)
        assert message(answer) == (405, "METHOD_NOT_ALLOWED")


# Bodies


BROKEN: list[bytes] = [
    b"{", b"}", b"[", b"nul", b"{'username':'a'}", b'{"username":"a"', b"\xff", b"\xef\xbb\xbf{}", b"\0", b" ",
    b'{"username":"\xff","password":"x"}', b'{"username":"\\ud800","password":"x"}', b"NaN", b"{}{}", b"{},",
    b'{"username":"\\x41","password":"x"}', b'{"username":"a\nb","password":"x"}',
    b'{"username":01,"password":"x"}',
    b'{"x":' * 10_000, b'{"x":' + b"[" * 60_000, b'{"username":' + b"[" * 60_000,
    b'{"username":"a","password":"x","y":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    "{}".encode("utf-16"), "{}".encode("utf-32"), b"<a/>", b"username=a&password=b", b"--\r\n",
]  # fmt: skip


def test_broken_json_is_a_bad_request_and_never_a_crash(service: Service) -> None:
    token = user_without_2fa(service, EMAIL)["access"]
    for body in BROKEN:
        answer = service.call("POST", LOGIN, content=body, headers=JSON)
        assert answer.status_code == 400, body[:50]
        answer = service.call("POST", "/user/2fa/totp/setup", token, content=body, headers=JSON)
        assert answer.status_code in {200, 400}, body[:50]


OTHER_SHAPES: list[tuple[bytes, str | None]] = [
    (b"[]", "body must be object"),
    (b"null", "body must be object"),
    (b'"x"', "body must be object"),
    (b"0", "body must be object"),
    (b"1e999", None),
    (b"[" * 60_000, "body must be object"),
    (b'{"username":1e999,"password":"x"}', None),
    (b'{"username":' + b"9" * 60_000 + b',"password":"x"}', None),
    (b'{"username":-0.0,"password":"x"}', "body/username must be string"),
    (b"{}", "body must have required property 'username'"),
    (b"", "body must have required property 'username'"),
    (b'{"Username":"a","password":"x"}', "body must have required property 'username'"),
]


def test_json_of_another_shape_is_a_bad_request(service: Service) -> None:
    for body, said in OTHER_SHAPES:
        answer = service.call("POST", LOGIN, content=body, headers=JSON)
        assert answer.status_code == 400, body[:50]
        assert said in {None, answer.json()["message"]}


ODD_BUT_VALID: list[bytes] = [
    b' \r\n\t{ "password" : "Correct-Horse-1" , "username" : "ann@example.org" } \n',
    b'{"username":"x","username":"ann@example.org","password":"Correct-Horse-1"}',
    b'{"\\u0075sername":"\\u0061nn@example.org","password":"Correct-Horse-1"}',
    b'{"username":"ann@example.org","password":"Correct-Horse-1","":null,"big":' + b"9" * 5_000 + b"}",
    b'{"username":"ann@example.org","password":"Correct-Horse-1","x":1e999,"y":-0,"z":[[[{}]]]}',
]


def test_odd_but_valid_json_is_read(service: Service) -> None:
    service.add_user()
    for body in ODD_BUT_VALID:
        assert service.call("POST", LOGIN, content=body, headers=JSON).status_code == 200


def test_nul_and_other_odd_characters_in_any_text_are_no_crash(service: Service) -> None:
    for text in ("\0", "a\0@b.c", "\ufffe", "\U0010ffff", "\u202e", "' OR 1=1 --", "%00", "\r\nBcc: a@b.c", "x" * 256):
        service.clock.advance(3600)
        body = {"username": text, "password": text}
        assert message(service.call("POST", LOGIN, json=body)) == (401, "PASSWORD_INCORRECT")
        for path in ("/user/password/reset/send", "/v1/auth/forgot-password"):
            assert service.call("POST", path, json={"email": text}).status_code == 400


JSON_TYPES: list[str | None] = [
    "application/json", "Application/JSON", "application/json; charset=utf-8", "application/json;charset=latin-1",
    "application/json ; a=b; c", "application/vnd.api+json", "application/problem+json; q=1", None,
]  # fmt: skip


def test_json_is_known_by_its_content_type_or_without_one(service: Service) -> None:
    service.add_user()
    for content_type in JSON_TYPES:
        headers = {} if content_type is None else {"Content-Type": content_type}
        assert service.call("POST", LOGIN, content=login_body(), headers=headers).status_code == 200


OTHER_TYPES: list[str] = [
    "application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x", "text/json",
    "application/xml",
    "application/jsonp", "image/png", "", ";", "application/json, text/plain", "\u00e9",
]  # fmt: skip


def test_a_body_of_another_type_is_unsupported_where_a_field_is_required(service: Service) -> None:
    service.add_user()
    body = login_body()
    for content_type in OTHER_TYPES:
        answer = raw_call(service, "POST", LOGIN, body, CONTENT_TYPE=content_type, CONTENT_LENGTH=str(len(body)))
        if content_type:
            assert message(answer) == (415, "UNSUPPORTED_MEDIA_TYPE")
        else:
            assert answer.status_code in {200, 415}
    answer = service.call("POST", LOGIN, data={"username": EMAIL, "password": PASSWORD})
    assert message(answer) == (415, "UNSUPPORTED_MEDIA_TYPE")


def test_where_no_field_is_required_every_way_to_send_nothing_is_the_same(service: Service) -> None:
    token = user_without_2fa(service, EMAIL)["access"]
    types = [None, "application/json", "application/x-www-form-urlencoded", "text/plain", "multipart/form-data", "x"]
    for content in (b"", b"{}", b' {"unknown": 1} '):
        for content_type in types:
            headers = {} if content_type is None else {"Content-Type": content_type}
            answer = service.call("POST", "/user/2fa/totp/setup", token, content=content, headers=headers)
            assert answer.status_code == 200, (content, content_type)
    for verb, path in (("GET", "/user/2fa"), ("GET", "/auth/accesstoken/validate")):
        for content_type in types:
            headers = {} if content_type is None else {"Content-Type": content_type}
            assert service.call(verb, path, token, content=b"junk", headers=headers).status_code == 200
    for content_type in types:
        headers = {} if content_type is None else {"Content-Type": content_type}
        refresh = service.login()
        assert service.call("POST", "/auth/logout", refresh, content=b"\xff{", headers=headers).status_code == 204


def test_a_body_of_64_kib_is_read_and_a_larger_one_is_not(service: Service) -> None:
    service.add_user()
    padded = login_body().ljust(64 * 1024)
    assert service.call("POST", LOGIN, content=padded, headers=JSON).status_code == 200
    assert message(service.call("POST", LOGIN, content=padded + b" ", headers=JSON)) == (413, "BODY_TOO_LARGE")
    deep = b"[" * 100_000
    assert message(service.call("POST", LOGIN, content=deep, headers=JSON)) == (413, "BODY_TOO_LARGE")
    # Told too large, it is not waited for.
    answer = raw_call(service, "POST", LOGIN, b"", CONTENT_LENGTH=str(2**40), CONTENT_TYPE="application/json")
    assert message(answer) == (413, "BODY_TOO_LARGE")


NO_LENGTHS: list[str] = ["-1", "x", "1.5", "1e3", "\u00b2", "0x10"]


def test_a_length_that_is_none_is_a_bad_request(service: Service) -> None:
    for length in NO_LENGTHS:
        answer = raw_call(service, "POST", LOGIN, b"{}", CONTENT_LENGTH=length, CONTENT_TYPE="application/json")
        assert answer.status_code == 400


def test_a_length_with_many_zeros_in_front_is_that_length(service: Service) -> None:
    service.add_user()
    for digits, told in (("0" * 5000, (401, "PASSWORD_INCORRECT")), ("9" * 5000, (413, "BODY_TOO_LARGE"))):
        body = login_body(password="Wrong-Horse-1")
        answer = raw_call(service, "POST", LOGIN, body, CONTENT_LENGTH=f"{digits}{len(body)}", **AS_JSON)
        assert message(answer) == told


class NeverComes:
    """A body that its sender holds back until `let_go`."""

    def __init__(self) -> None:
        self.waited_for = Event()
        self.let_go = Event()

    def read(self, _size: int) -> bytes:
        self.waited_for.set()
        self.let_go.wait(30)
        return b""


def test_bodies_that_do_not_come_hold_no_more_than_half_of_the_threads(start: Callable[..., Service]) -> None:
    service = start(request_threads="2")
    service.add_user()
    body, refresh = NeverComes(), service.login()
    given: dict[str, Any] = {"wsgi.input": body, "CONTENT_LENGTH": "60", **AS_JSON}
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(lambda: raw_call(service, "POST", LOGIN, **given))
        assert body.waited_for.wait(30)
        refused = service.call("POST", LOGIN, content=login_body(), headers=JSON)
        assert message(refused) == (503, "OVERLOADED")
        assert refused.headers["Retry-After"]
        assert service.access(refresh)
        body.let_go.set()
        assert message(slow.result()) == (400, "Body is not valid JSON")
    assert service.login()


def test_a_connection_that_breaks_within_a_body_is_no_fault_of_the_service(service: Service) -> None:
    class Broken:
        def read(self, _size: int) -> bytes:
            raise ConnectionResetError

    given: dict[str, Any] = {"wsgi.input": Broken(), "CONTENT_LENGTH": "60", **AS_JSON}
    answer = raw_call(service, "POST", LOGIN, **given)
    assert answer.status_code == 400


def test_a_body_that_ends_early_is_a_bad_request(service: Service) -> None:
    answer = raw_call(service, "POST", LOGIN, login_body(), CONTENT_LENGTH="60", CONTENT_TYPE="application/json")
    assert answer.status_code == 400 or answer.json()["message"] == "PASSWORD_INCORRECT"
    cut = login_body()[:20]
    answer = raw_call(service, "POST", LOGIN, cut, CONTENT_LENGTH="60", CONTENT_TYPE="application/json")
    assert message(answer) == (400, "Body is not valid JSON")


def test_a_chunked_body_is_read_to_its_end_and_no_further_than_the_limit(service: Service) -> None:
    service.add_user()
    chunked: dict[str, Any] = {"wsgi.input_terminated": True, "CONTENT_TYPE": "application/json"}
    assert raw_call(service, "POST", LOGIN, login_body(), **chunked).status_code == 200
    endless = raw_call(service, "POST", LOGIN, login_body().ljust(64 * 1024 + 1), **chunked)
    assert message(endless) == (413, "BODY_TOO_LARGE")


def test_an_endless_body_is_not_read_into_memory() -> None:
    body = io.BytesIO(b"x" * 1024 * 1024)
    with pytest.raises(Refused, match="BODY_TOO_LARGE"):
        bodies.read(
            Request({"wsgi.input": body, "wsgi.input_terminated": True}), Arrivals(1), bodies.decoder(bodies.NoFields)
        )
    assert body.tell() == bodies.LARGEST_BODY + 1


def test_the_token_is_asked_for_before_the_body_is_read(service: Service) -> None:
    answer = service.call("POST", "/user/2fa/totp/enable", content=b"{", headers=JSON)
    assert message(answer) == (401, "NO_TOKEN_PROVIDED")


# Faults


def break_events(service: Service) -> None:
    """Make the second event of a kind impossible: a fault that no code of ours expects."""
    with service.doorward.env.db.write() as tx:
        tx.execute(sa.text("CREATE UNIQUE INDEX one_of_each ON events (type)"))


def test_a_crash_is_an_internal_error_with_nothing_but_a_request_id(service: Service) -> None:
    break_events(service)
    body = {"username": EMAIL, "password": "a-secret-that-was-typed"}
    assert service.call("POST", LOGIN, json=body).status_code == 401
    with logged() as log:
        answer = service.call("POST", LOGIN, json=body)
    assert answer.json() == {"statusCode": 500, "error": "Internal server error", "message": "INTERNAL_ERROR"}
    request_id = answer.headers["x-request-id"]
    crash, request = log.lines
    assert (crash["level"], crash["event"]) == ("error", "crash")
    assert (request["event"], request["status"]) == ("request", 500)
    assert crash["request_id"] == request["request_id"] == request_id
    assert "audit.py" in crash["traceback"]
    assert crash["traceback"].endswith(("IntegrityError", "UniqueViolation"))
    # A driver's words quote the values of a statement.
    assert not [text for text in log.texts if "login.refused" in text or "INSERT" in text]


def test_a_crash_undoes_what_the_call_had_written(service: Service) -> None:
    break_events(service)
    service.add_user()
    statuses = [service.call("POST", LOGIN, json={"username": EMAIL, "password": "x"}).status_code for _ in range(9)]
    assert statuses == [401] + [500] * 8


def test_every_answer_has_a_request_id_of_its_own_and_guards_against_sniffing(service: Service) -> None:
    answers = [service.call("GET", path) for path in ("/auth/accesstoken", "/nowhere", "/docs", "/health/live") * 3]
    assert len({answer.headers["x-request-id"] for answer in answers}) == len(answers)
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "cache-control" in answer.headers


def test_a_client_can_not_choose_the_request_id(service: Service) -> None:
    answer = service.call("GET", "/health/live", headers={"X-Request-Id": "mine\\n"})
    assert re.fullmatch(r"[0-9a-f]{20}", answer.headers["x-request-id"])


# The log


def test_a_request_is_logged_by_its_operation_and_not_by_what_was_sent(service: Service) -> None:
    with logged() as log:
        answer = service.call("GET", "/auth/accesstoken?cookie=yes&token=secret-in-query", "secret-in-header")
        service.call("GET", "/secret-in-path")
        service.call("POST", "/v1/auth/forgot-password?origin=secret-in-origin", json={"email": "secret@"})
        service.call("SECRETVERB", LOGIN)
        service.call("POST", LOGIN, content=b'{"username": "secret", "secret": "', headers=JSON)
    first = log.lines[0]
    assert first.pop("ms") >= 0
    assert first.pop("at")
    assert first == {
        "level": "info",
        "event": "request",
        "request_id": answer.headers["x-request-id"],
        "operation": "GET /auth/accesstoken",
        "status": 401,
        "client": "192.0.2.1",
        "refusal": "TOKEN_INVALID",
    }
    assert [line["refusal"] for line in log.lines] == [
        "TOKEN_INVALID", "NOT_FOUND", "BAD_INPUT", "METHOD_NOT_ALLOWED", "BAD_INPUT",
    ]  # fmt: skip
    assert not [text for text in log.texts if "secret" in text.lower()]


class Secrets:
    """Every text of an answer or a request that somebody must not read in a log."""

    def __init__(self) -> None:
        self.texts: set[str] = {PASSWORD, "Another-Horse-2", "Third-Horse-3", "wrong-password"}

    def see(self, response: httpx.Response) -> None:
        contract.hold(response)
        bodies = [response.content, response.request.content]
        for body in bodies:
            try:
                self._collect(json.loads(body))
            except ValueError:
                self._collect(body.decode())
        self._collect(response.request.headers.get("authorization", "").removeprefix("Bearer "))

    def _collect(self, value: Any, name: str = "") -> None:
        if isinstance(value, dict):
            for key, each in value.items():
                self._collect(each, key)
        elif isinstance(value, list):
            for each in value:
                self._collect(each, name)
        elif isinstance(value, str) and (value.count(".") == 2 or self._is_secret(name)):
            self.texts.add(value)
            if value.startswith("otpauth://"):
                secret = pyotp.parse_uri(value).secret
                self.texts.add(secret)

    @staticmethod
    def _is_secret(name: str) -> bool:
        return name in {"otp", "totp", "url", "recoveryCode", "recoveryCodes"} or "assword" in name or "Token" in name


def journey(service: Service) -> None:
    """A user's life: logins, factors, changes and resets, with wrong tries in between."""
    user = user_with_totp(service, EMAIL)
    refresh, access, sudo = (user.tokens[use] for use in ("refresh", "access", "sudo"))
    call = service.call
    call("POST", LOGIN, json={"username": EMAIL, "password": "wrong-password"})
    call("POST", LOGIN, json={"username": "wrong-password", "password": EMAIL})
    call("POST", "/user/2fa/totp/authenticate", access, json={"totp": "zyxwvu"})
    call("POST", "/user/2fa/recovery-code/authenticate", access, json={"recoveryCode": "ZYXW-ZYXW-ZYXW-ZYXW"})
    call("POST", "/user/2fa/recovery-code/authenticate", access, json={"recoveryCode": user.recovery_codes[1]})
    call("POST", "/user/2fa/recovery-code/reset", sudo)
    call("POST", "/user/2fa/email-otp/setup", sudo, json={"email": "codes@example.org"})
    call("POST", "/user/2fa/email-otp/enable", access, json={"otp": service.mailed_code("codes@example.org")})
    service.clock.advance(60)
    call("POST", "/user/2fa/email-otp/challenge", access)
    call("POST", "/user/2fa/email-otp/authenticate", access, json={"otp": service.mailed_code("codes@example.org")})
    change = {"oldPassword": PASSWORD, "newPassword": "Another-Horse-2"}
    call("PUT", "/user/password/old-password", sudo, json=change)
    call("POST", "/user/email/initiate", sudo, json={"email": "anna@example.org"})
    call("PUT", "/user/email", access, json={"otp": service.mailed_code("anna@example.org")})
    call("POST", "/user/password/reset/send", json={"email": "anna@example.org"})
    otp = service.mailed_code("anna@example.org")
    call("POST", "/user/password/reset/validate", json={"email": "anna@example.org", "otp": otp})
    reset = {"userEmail": "anna@example.org", "otp": otp, "newPassword": "Third-Horse-3"}
    assert call("PUT", "/user/password/otp", json=reset).status_code == 204
    call("GET", "/auth/refreshtoken?cookie=true", refresh)
    partial = call("POST", f"{LOGIN}?cookie=true", json={"username": "anna@example.org", "password": "Third-Horse-3"})
    code = service.next_totp_code(user.authenticator)
    tokens = call("POST", "/user/2fa/totp/authenticate", partial.text, json={"totp": code}).json()
    call("GET", "/auth/accesstoken", headers={"Cookie": f"refreshToken={tokens['refreshToken']}"})
    call("POST", "/auth/logout", tokens["refreshToken"])
    service.deliver()


def test_no_secret_is_in_the_log_or_in_an_event(service: Service) -> None:
    secrets = Secrets()
    service.check = secrets.see
    with logged() as log:
        journey(service)
    assert len(secrets.texts) > 40
    lines = list(log.texts)
    with service.doorward.env.db.read() as tx:
        lines += [str(tuple(row)) for row in tx.execute(sa.select(events))]
    assert len(lines) > 80
    for secret in secrets.texts:
        # Six digits may be part of a time or an id by chance: a code is looked for as a whole word.
        word = re.compile(rf"(?<![\w.-]){re.escape(secret)}(?![\w-])")
        assert not [line for line in lines if word.search(line)], secret
        if len(secret) > 6:
            assert not [line for line in lines if secret in line], secret


def test_no_secret_is_in_the_database_in_clear(service: Service) -> None:
    secrets = Secrets()
    service.check = secrets.see
    user_with_totp(service, EMAIL)
    service.call("POST", "/user/password/reset/send", json={"email": EMAIL})
    with service.doorward.env.db.read() as tx:
        dump = "".join(str(tuple(row)) for table in metadata.sorted_tables for row in tx.execute(sa.select(table)))
    assert EMAIL in dump
    for secret in secrets.texts:
        if len(secret) > 6:
            assert secret not in dump


# Operational paths


def test_health_tells_whether_the_process_and_the_database_are_there(service: Service) -> None:
    assert service.call("GET", "/health/live").json() == {"status": "ok"}
    ready = service.call("GET", "/health/ready")
    assert (ready.status_code, ready.json()["status"]) == (200, "ok")
    with service.doorward.env.db.write() as tx:
        tx.execute(sa.text("UPDATE alembic_version SET version_num = 'other'"))
    ready = service.call("GET", "/health/ready")
    assert (ready.status_code, ready.json()) == (503, {"status": "unavailable", "schema": "other"})
    assert int(ready.headers["retry-after"]) > 0
    assert service.call("GET", "/health/live").status_code == 200


def test_metrics_count_requests_by_operation_and_never_by_what_was_sent(service: Service) -> None:
    service.call("GET", "/auth/accesstoken?token=secret-in-query", "secret-token")
    service.call("GET", "/secret-path")
    answer = service.call("GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'doorward_request_seconds_count{operation="GET /auth/accesstoken",status="401"}' in answer.text
    assert 'doorward_refusals_total{code="TOKEN_INVALID",operation="GET /auth/accesstoken"}' in answer.text
    assert 'operation="(unknown)",status="404"' in answer.text
    assert "secret" not in answer.text


def test_the_contract_is_served_as_it_is(service: Service) -> None:
    answer = service.call("GET", "/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    assert answer.content == OPENAPI.read_bytes()
    assert answer.json() == contract.DOCUMENT


def test_the_reference_page_and_its_files_come_from_here_alone(service: Service) -> None:
    page = service.call("GET", "/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert not re.search(r"(?:src|href)=.?(?:https?:)?//", page.text)
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    paths = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(paths) == 4
    for path in paths:
        asset = service.call("GET", path)
        assert asset.status_code == 200
        assert asset.content
    start = service.call("GET", "/docs/assets/start.js").text
    assert "deepLinking: true" in start
    assert "validatorUrl: null" in start
    assert "//" not in start


def test_every_error_code_is_explained(service: Service) -> None:
    explained = service.call("GET", "/docs/errors.json").json()
    assert all(each["whatToDo"] and each["status"] in contract.REASONS for each in explained)
    codes = {each["code"] for each in explained}
    assert {"PASSWORD_INCORRECT", "INTERNAL_ERROR", "TOKEN_REVOKED"} <= codes


def test_a_body_is_never_read_from_a_request_that_has_none(service: Service) -> None:
    class Unread(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise AssertionError(size)

    environ: dict[str, Any] = {"wsgi.input": Unread()}
    assert message(raw_call(service, "POST", "/auth/logout", **environ)) == (401, "NO_TOKEN_PROVIDED")


def test_the_inbox_does_not_show_for_a_service_that_others_reach(database_url: str, tmp_path: Path) -> None:
    """A proxy on this machine calls from loopback, and nginx by loopback's name unless it is told another."""
    given = CHEAP | {"DOORWARD_DATABASE_URL": database_url, "DOORWARD_DATA_DIR": str(tmp_path)}
    for public_url, status in (("http://localhost:8000", 200), ("https://auth.example.org", 404)):
        doorward = build(load(given | {"DOORWARD_PUBLIC_URL": public_url}), with_inbox=True)
        transport = httpx.WSGITransport(app=doorward.app, remote_addr="127.0.0.1")
        with closing(doorward), httpx.Client(transport=transport, base_url="http://127.0.0.1:8000") as client:
            assert client.get("/dev/inbox").status_code == status
