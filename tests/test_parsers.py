"""Whatever is sent, no parser of outside input raises but what it says it does, and no answer is a 5xx.

Brief in the gate, the same each time; `make fuzz` draws for long. docs/security/parsers.md has a test for each parser.
"""

import base64
import ipaddress
import json
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from doorward.accounts import imports
from doorward.core.client import Client, place
from doorward.core.devices import browser_and_system
from doorward.core.errors import BadInput
from doorward.factors import recovery
from doorward.http.clients import ClientAddresses
from doorward.http.operations import printable
from doorward.http.pages import PAGES
from doorward.http.seen import is_proof
from doorward.i18n import LANGUAGES, accepted, choose
from doorward.mail.message import one_line
from doorward.users import names
from tests.support.clock import START_MS
from tests.support.person import Person
from tests.support.service import EMAIL, PASSWORD, PUBLIC_URL, Service
from tests.support.visitor import SAME_ORIGIN, Visitor
from tests.support.wsgi import raw_call

pytestmark = pytest.mark.hypothesis

PROFILE = settings()
OVER_HTTP = settings(
    max_examples=25 if PROFILE.derandomize else 1_500,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
PATIENT = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])

APP = "https://app.example.org"
# What a server gives to an app: the header's bytes as Latin-1 (PEP 3333), without what ends a header.
LATIN_1 = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=120)
TEXT = st.text(max_size=60)
ODD = st.sampled_from(["\0", "\r\n", "\u2028", "\ud800", "'", '"', "\\", "%00", "%", "\x7f", "\u202e", "=", ";", ","])
ANYTHING = st.lists(TEXT | ODD, max_size=4).map("".join)
B64 = st.binary(max_size=60).map(lambda raw: base64.urlsafe_b64encode(raw).decode())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
OPEN_CALLS = [
    ("POST", "/auth/login", ("username", "password")),
    ("POST", "/user/password/reset/send", ("email",)),
    ("POST", "/user/password/reset/validate", ("email", "otp")),
    ("PUT", "/user/password/otp", ("userEmail", "otp", "newPassword")),
    ("POST", "/v1/auth/forgot-password", ("email",)),
]


def fine(answer: httpx.Response) -> None:
    """No fault of the service, and no header that was brought in from outside."""
    assert answer.status_code < 500, answer.text
    for name, value in answer.headers.multi_items():
        assert not re.search(r"[\r\n\0]", value), (name, value)
    assert {name.lower() for name in answer.headers} <= KNOWN_HEADERS
    assert answer.headers.get("access-control-allow-origin", APP) in {APP, "*"}


KNOWN_HEADERS = {
    *(f"access-control-{each}" for each in ("allow-origin", "allow-credentials", "allow-methods", "allow-headers")),
    *("access-control-max-age", "access-control-expose-headers"),
    *("allow", "cache-control", "content-disposition", "content-length", "content-security-policy", "content-type"),
    *("cross-origin-opener-policy", "location", "permissions-policy", "referrer-policy", "retry-after", "set-cookie"),
    *("vary", "www-authenticate", "x-content-type-options", "x-frame-options", "x-request-id", "x-token-use"),
}


# Tokens, cookies and other headers


def jose(header: Any, claims: Any, signature: str) -> str:
    parts = (base64.urlsafe_b64encode(json.dumps(each).encode()).decode().rstrip("=") for each in (header, claims))
    return ".".join([*parts, signature])


TOKENS = st.one_of(LATIN_1, B64, st.lists(B64, min_size=3, max_size=5).map(".".join), st.builds(jose, JSON, JSON, B64))


@OVER_HTTP
@given(token=TOKENS, scheme=st.sampled_from(["Bearer ", "bearer\t", "Basic ", "", "Bearer  Bearer "]))
def test_any_authorization_header(service: Service, token: str, scheme: str) -> None:
    token = token.encode("latin-1", "ignore").decode("latin-1")
    for verb, path in (("GET", "/auth/accesstoken"), ("POST", "/auth/logout"), ("GET", "/user/2fa")):
        answer = raw_call(service, verb, path, HTTP_AUTHORIZATION=scheme + token)
        assert answer.status_code in {400, 401}
        fine(answer)


@PATIENT
@given(data=st.data())
def test_any_change_of_a_good_token(service: Service, data: st.DataObject) -> None:
    # One account for each example would be slow, and one for all is as good: none of these is let in.
    tokens = getattr(service, "tokens_drawn", None)
    if tokens is None:
        person = Person.at(service)
        tokens = service.tokens_drawn = [person.refresh, person.access]  # type: ignore[attr-defined]
    token = data.draw(st.sampled_from(tokens))
    begin = data.draw(st.integers(0, len(token)))
    end = data.draw(st.integers(begin, min(len(token), begin + 40)))
    changed = token[:begin] + data.draw(B64 | LATIN_1) + token[end:]
    answer = raw_call(service, "GET", "/auth/accesstoken/validate", HTTP_AUTHORIZATION=f"Bearer {changed}")
    if changed.strip(" \t") != token:
        assert answer.status_code in {400, 401}
    fine(answer)


COOKIE_NAMES = st.sampled_from(
    ["refreshToken", "accessToken"]
    + [f"__Host-doorward-{each}" for each in ("session", "partial", "sudo", "browser", "wishes", "kept", "said")]
)
WISHES = st.builds(
    lambda given: base64.urlsafe_b64encode(json.dumps(given).encode()).decode(),
    JSON | st.fixed_dictionaries({}, optional={"language": ANYTHING, "origin": ANYTHING, "return_to": ANYTHING}),
)
COOKIES = st.lists(st.tuples(COOKIE_NAMES | LATIN_1, TOKENS | B64 | WISHES), max_size=5).map(
    lambda pairs: "; ".join(f"{name}={value}" for name, value in pairs)
)


@OVER_HTTP
@given(header=COOKIES | LATIN_1)
def test_any_cookie_header(service: Service, header: str) -> None:
    header = re.sub(r"[\r\n\0]", "", header).encode("latin-1", "ignore").decode("latin-1")
    for path in ("/auth/refreshtoken", "/user/2fa"):
        answer = raw_call(service, "GET", path, HTTP_COOKIE=header)
        assert answer.status_code in {400, 401}
        fine(answer)
    for path in ("", "/sign-in", "/reset/code", "/second-factor", "/email/code"):
        fine(raw_call(service, "GET", f"/account{path}", HTTP_COOKIE=header))


HEADERS = st.dictionaries(
    st.sampled_from(
        [
            *("HTTP_HOST", "HTTP_ORIGIN", "HTTP_SEC_FETCH_SITE", "HTTP_USER_AGENT", "HTTP_ACCEPT_LANGUAGE"),
            *("HTTP_FORWARDED", "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_HOST", "HTTP_COOKIE", "HTTP_AUTHORIZATION"),
            *("HTTP_ACCESS_CONTROL_REQUEST_METHOD", "HTTP_CONTENT_ENCODING", "HTTP_TRANSFER_ENCODING", "HTTP_EXPECT"),
            *("CONTENT_TYPE", "CONTENT_LENGTH", "HTTP_RANGE", "HTTP_IF_NONE_MATCH", "HTTP_ACCEPT"),
        ]
    ),
    LATIN_1,
    max_size=6,
)
PATHS = [
    *("/auth/login", "/auth/refreshtoken", "/user/2fa", "/health/live", "/health/seen", "/metrics", "/openapi.json"),
    *("/account", "/account/sign-in", "/account/colours.css", "/docs", "/.well-known/jwks.json", "/nowhere"),
    *("/admin/api/users", "/admin/api/users/1"),
]


@OVER_HTTP
@given(
    verb=st.sampled_from(["GET", "HEAD", "POST", "PUT", "OPTIONS", "DELETE", "TRACE", "BREW"]),
    path=st.sampled_from(PATHS) | LATIN_1.map(lambda text: f"/{text}"),
    query=LATIN_1,
    headers=HEADERS,
    body=st.binary(max_size=80),
)
def test_any_request(
    start: Callable[..., Service], verb: str, path: str, query: str, headers: dict[str, str], body: bytes
) -> None:
    service = one(start, trusted_proxies="192.0.2.0/24", web_origins=APP)
    fine(raw_call(service, verb, path, body, QUERY_STRING=query, **headers))


_started: dict[Any, Service] = {}


def one(start: Callable[..., Service], **given_settings: str) -> Service:
    """The same service for all examples of a test."""
    if start not in _started:
        _started.clear()
        _started[start] = start(**given_settings)
    return _started[start]


# Bodies and queries


@OVER_HTTP
@given(
    call=st.sampled_from(OPEN_CALLS), body=st.binary(max_size=200) | JSON.map(lambda each: json.dumps(each).encode())
)
@example(OPEN_CALLS[0], b'{"username": "\\ud800", "password": "x"}')
@example(OPEN_CALLS[0], b"[" * 5_000)
@example(OPEN_CALLS[0], b'{"username": "a", "username": "b", "password": 1e999}')
def test_any_body(service: Service, call: tuple[str, str, tuple[str, ...]], body: bytes) -> None:
    verb, path, _ = call
    answer = raw_call(service, verb, path, body, CONTENT_TYPE="application/json", CONTENT_LENGTH=str(len(body)))
    assert answer.status_code in {400, 401, 429}
    fine(answer)


@OVER_HTTP
@given(call=st.sampled_from(OPEN_CALLS), data=st.data())
def test_any_values_of_the_fields(
    service: Service, call: tuple[str, str, tuple[str, ...]], data: st.DataObject
) -> None:
    verb, path, fields = call
    values = {name: data.draw(ANYTHING | st.just(EMAIL) | st.just("123456") | JSON) for name in fields}
    body = json.dumps(values).encode()
    fine(raw_call(service, verb, path, body, CONTENT_TYPE="application/json", CONTENT_LENGTH=str(len(body))))


QUERIES = st.lists(st.tuples(st.sampled_from(["cookie", "origin", "language", "x"]), ANYTHING), max_size=4).map(
    lambda pairs: urlencode([(name, value.encode("utf-8", "surrogatepass")) for name, value in pairs])
)


@OVER_HTTP
@given(query=QUERIES | LATIN_1, number=st.integers(0, 10**9))
def test_any_query(service: Service, query: str, number: int) -> None:
    for path, body in (
        ("/auth/login", {"username": EMAIL, "password": PASSWORD}),
        ("/user/password/reset/send", {"email": f"u{number}@example.org"}),
        ("/v1/auth/forgot-password", {"email": f"v{number}@example.org"}),
    ):
        raw = json.dumps(body).encode()
        asked = {"QUERY_STRING": query, "CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(raw))}
        fine(raw_call(service, "POST", path, raw, **asked))
    service.deliver()


# Names, codes, devices, languages


@given(st.text(max_size=300) | st.emails() | st.builds("{}@{}".format, ANYTHING, ANYTHING))
def test_any_address(text: str) -> None:
    names.key(text)
    with suppress(BadInput):
        stored = names.address(text)
        assert names.address(stored) == stored
        assert names.key(stored) == names.key(text)
        assert stored.isprintable()
        assert re.search(r"[\r\n\0]", stored) is None
        names.mask(stored)
    with suppress(BadInput):
        stored = names.username(text)
        assert names.username(stored) == stored
        assert names.key(stored) == names.key(text)


@given(st.text(max_size=60))
def test_any_recovery_code(text: str) -> None:
    with suppress(BadInput):
        assert not set(recovery.normalise(text)) & set(" -\t")


@given(st.text(max_size=600))
def test_any_device(text: str) -> None:
    assert printable(text).isprintable()
    browser_and_system(text)
    assert len(one_line(text)) <= 320
    assert "\n" not in one_line(text)


LANGUAGE_RANGES = st.lists(
    st.sampled_from(["nl", "NL-be", "de;q=0.5", "*;q=0", "fr;q=1.0000", "x" * 9, "da;q=-1", "pl; q = 0.1", ";", "q=1"])
    | TEXT,
    max_size=40,
).map(",".join)


@given(header=LANGUAGE_RANGES | st.text(max_size=200), tag=ANYTHING)
def test_any_language(header: str, tag: str) -> None:
    assert len(list(accepted(header))) <= 20
    assert choose(asked=tag, own=tag, accept_language=header, default=tag) in LANGUAGES


# Addresses of clients

HOPS = st.ip_addresses().map(str) | st.sampled_from(
    ["unknown", "_hidden", "10.0.0.1", "[2001:db8::1]:80", '"[::1]"', "1.2.3.4:99999", "::ffff:10.0.0.1%x", "", " "]
)
CHAINS = st.lists(HOPS | TEXT, max_size=6)


@given(
    forwarded=CHAINS.map(lambda hops: ", ".join(f"for={hop};by=x" for hop in hops)) | TEXT,
    x_forwarded_for=CHAINS.map(",".join) | TEXT,
    peer=st.ip_addresses().map(str),
)
def test_any_forwarded_header(forwarded: str, x_forwarded_for: str, peer: str) -> None:
    told = {"HTTP_FORWARDED": forwarded, "HTTP_X_FORWARDED_FOR": x_forwarded_for}
    believed = ClientAddresses(("10.0.0.0/8", peer)).of({"REMOTE_ADDR": peer} | told)
    # What goes into counts and logs is an address, whatever was sent.
    assert str(ipaddress.ip_address(believed)) == believed or believed == peer
    assert ClientAddresses(("10.0.0.0/8",)).of({"REMOTE_ADDR": "192.0.2.1"} | told) == "192.0.2.1"
    Client(believed).network  # noqa: B018 -- it must not raise
    place(believed)


@PATIENT
@given(header=st.text(max_size=100) | st.builds("Check {}.{}".format, st.integers(), TEXT))
def test_any_proof(service: Service, header: str) -> None:
    assert not is_proof(service.doorward.env.vault, header, service.clock.now_ms())


# Pages

URLS = st.one_of(
    TEXT,
    st.builds(
        "{}{}{}{}".format,
        st.sampled_from(["https://", "http://", "//", "https:", "https:/", "HTTPS://", "javascript:", "\t", "/\\", ""]),
        st.sampled_from(
            ["app.example.org", "APP.example.org", "app.example.org.evil.example", "evil.example", "[::1]"]
        ),
        st.sampled_from(["", ":443", ":8443", "@evil.example", "\\@evil.example", "%2f@evil.example", ":x", "\u3002"]),
        ANYTHING.map(lambda text: f"/{text}") | ANYTHING,
    ),
)
# As a browser reads it (the URL standard): nothing but a path, a query or a fragment may come after the origin.
AT_THE_APP = re.compile(r"https://app\.example\.org(?::443)?(?:[/?#][\x21-\x7e ]*)?", re.IGNORECASE)


@OVER_HTTP
@given(url=URLS)
def test_any_way_back(start: Callable[..., Service], url: str) -> None:
    service = one(start, return_origins=APP)
    for name in ("return_to", "next"):
        query = urlencode({name: url.encode("utf-8", "surrogatepass")})
        visitor = Visitor(service.client)
        visitor.page = visitor.client.get(f"/account/sign-in?{query}")
        fine(visitor.page)
        named = re.findall(r'href="(https?:[^"]*)"', visitor.page.text)
        policy = visitor.page.headers["Content-Security-Policy"]
        assert re.search(r"form-action 'self'(?: https://app\.example\.org(?::443)?)?;", policy), policy
        assert all(AT_THE_APP.fullmatch(each) for each in named), (url, named)


FORM_FIELDS = ["form_token", "next", "username", "password", "email", "code", "session", "language", "method", "before"]
FORMS = st.dictionaries(st.sampled_from(FORM_FIELDS) | TEXT, ANYTHING, max_size=5)


@OVER_HTTP
@given(
    page=st.sampled_from(sorted(PAGES)),
    body=st.binary(max_size=120) | FORMS.map(lambda each: urlencode(encoded(each)).encode()),
)
def test_any_form_of_a_stranger(service: Service, page: str, body: bytes) -> None:
    given_headers = {"CONTENT_TYPE": "application/x-www-form-urlencoded", "CONTENT_LENGTH": str(len(body))}
    answer = raw_call(service, "POST", f"/account{page}", body, **given_headers)
    assert answer.status_code in {303, 400, 403, 404, 405, 413}
    fine(answer)


def encoded(values: dict[str, str]) -> dict[bytes, bytes]:
    return {
        name.encode("utf-8", "surrogatepass"): value.encode("utf-8", "surrogatepass") for name, value in values.items()
    }


@OVER_HTTP
@given(page=st.sampled_from(sorted(set(PAGES) - {"/sign-out"})), form=FORMS)
@example("/sessions", {"session": "\0"})
@example("/sign-in", {"username": "\0", "password": "\0"})
@example("/email", {"email": "\0@example.org"})
def test_any_form_of_a_person(service: Service, page: str, form: dict[str, str]) -> None:
    visitor = signed_in_once(service)
    token = re.search(r'name="form_token" value="([^"]+)"', visitor.client.get("/account/language").text)
    assert token is not None
    typed = encoded(form | {"form_token": token[1]})
    answer = visitor.client.post(
        f"/account{page}",
        content=urlencode(typed),
        headers=SAME_ORIGIN | {"Content-Type": "application/x-www-form-urlencoded"},
    )
    fine(answer)
    location = answer.headers.get("Location", "/account")
    assert re.match(r"/account(?:[/?]|$)", location), location


_visitors: dict[int, Visitor] = {}


def signed_in_once(service: Service) -> Visitor:
    if id(service) not in _visitors:
        _visitors.clear()
        service.add_user()
        visitor = Visitor.at(service, "/account/sign-in")
        visitor.sign_in()
        _visitors[id(service)] = visitor
    return _visitors[id(service)]


@OVER_HTTP
@given(query=LATIN_1 | FORMS.map(lambda each: urlencode(encoded(each))), page=st.sampled_from(sorted(PAGES)))
def test_any_query_of_a_page(service: Service, query: str, page: str) -> None:
    visitor = signed_in_once(service)
    fine(visitor.client.get(f"/account{page}", params=None, headers={}) if not query else ask(visitor, page, query))


def ask(visitor: Visitor, page: str, query: str) -> httpx.Response:
    return visitor.client.get(f"{PUBLIC_URL}/account{page}?{quote(query, safe='%=&+;')}")


# Imports

LINES = st.fixed_dictionaries(
    {"email": ANYTHING | st.emails()},
    optional={
        "username": ANYTHING | JSON,
        "passwordHash": ANYTHING
        | JSON
        | st.sampled_from(["$argon2id$v=19$m=8,t=1,p=1$", "$2b$12$", "pbkdf2_sha256$1$a$"]),
        "totpSecret": ANYTHING | JSON | B64,
        "disabled": JSON,
        "createdAt": ANYTHING | JSON | st.datetimes().map(lambda at: f"{at.isoformat()}Z"),
        "more": JSON,
    },
).map(lambda line: json.dumps(line).encode())


@given(LINES)
def test_any_line_of_an_import(line: bytes) -> None:
    with suppress(imports.BadLine):
        new = imports.read(7, line, START_MS)
        assert new.keys
        assert "\0" not in new.email + new.username + (new.password_hash or "")
