"""The administrators' API: who may, what it does, what it refuses. Every answer is held against its own document."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest
import sqlalchemy as sa

from doorward.administration import keys
from doorward.administration.keys import SCOPES, Scope
from doorward.core.clock import DAY, iso
from doorward.core.tables import admin_keys, events, outbox
from doorward.http.admin import OPERATIONS
from doorward.http.admin.openapi import document, reference
from tests.support.contract import hold
from tests.support.person import Person
from tests.support.service import EMAIL, PASSWORD, Service
from tests.support.threads import by_many

ROOT = "/admin/api"
DOCUMENT: dict[str, Any] = json.loads(json.dumps(document(OPERATIONS)))
WHY = "asked for by phone"
BOB = "bob@example.org"
# What stands for each name of a path, and a body that each act takes.
PLACES = {"{userId}": "1", "{mailId}": "1", "{sessionId}": "x"}
BODIES: dict[str, dict[str, Any]] = {
    "createUser": {"email": BOB},
    "inviteUser": {"email": BOB},
    "setAddress": {"email": BOB},
}


@dataclass
class Admin:
    """An administrator with a key."""

    service: Service
    key: str

    def get(self, path: str, **params: Any) -> httpx.Response:
        return self.call("GET", path, params=params)

    def act(self, path: str, reason: Any = WHY, **body: Any) -> httpx.Response:
        return self.call("POST", path, json={"reason": reason, **body})

    def call(self, verb: str, path: str, **options: Any) -> httpx.Response:
        return self.service.call(verb, ROOT + path, self.key, **options)


def held(answer: httpx.Response) -> None:
    """As the contract's answers are, and the document of this API says so."""
    hold(answer)
    if not answer.request.url.path.startswith(ROOT) or answer.status_code in {404, 405, 413, 415, 503}:
        return
    assert answer.headers["cache-control"] == "no-store"
    path, verb = answer.request.url.path, answer.request.method
    operation = next((each for each in OPERATIONS if each.pattern.fullmatch(path) and each.verb == verb), None)
    if operation is None:
        return
    described = DOCUMENT["paths"][ROOT + operation.path][operation.verb.lower()]["responses"][str(answer.status_code)]
    if "content" not in described:
        assert answer.content == b""
        return
    schema = described["content"]["application/json"]["schema"]
    jsonschema_rs.Draft202012Validator(
        {"$ref": schema["$ref"], "components": DOCUMENT["components"]}, validate_formats=True
    ).validate(answer.json())


def new_key(service: Service, *scopes: Scope, name: str = "helpdesk", life: int = 90 * DAY) -> str:
    return keys.create(service.doorward.env, name, scopes or SCOPES, life)


@pytest.fixture
def admin(service: Service) -> Admin:
    service.check = held
    return Admin(service, new_key(service))


def refused(answer: httpx.Response, status: int, message: str) -> None:
    assert (answer.status_code, answer.json()["message"]) == (status, message)


def called(admin: Admin, operation_id: str, key: str | None) -> httpx.Response:
    """Call an operation with a body that it takes."""
    operation = next(each for each in OPERATIONS if each.id == operation_id)
    path = operation.path
    for name, value in PLACES.items():
        path = path.replace(name, value)
    options = {} if operation.body is None else {"json": {"reason": WHY} | BODIES.get(operation_id, {})}
    return admin.service.call(operation.verb, ROOT + path, key, **options)


# --- who may ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.id)
def test_an_operation_takes_a_key_with_its_scope_and_no_other(admin: Admin, operation: Any) -> None:
    others = [scope for scope in SCOPES if scope != operation.scope]
    before = everything(admin.service)
    refused(called(admin, operation.id, None), 401, "NO_TOKEN_PROVIDED")
    refused(called(admin, operation.id, new_key(admin.service, *others, name="others")), 403, "SCOPE_MISSING")
    assert everything(admin.service) == before
    only = called(admin, operation.id, new_key(admin.service, operation.scope, name="only"))
    assert only.status_code in {200, 201, 204, 404}


def test_a_key_ends_when_its_time_is_over(admin: Admin) -> None:
    key = new_key(admin.service, name="short", life=60_000)
    admin.service.clock.advance(59)
    assert admin.service.call("GET", f"{ROOT}/users", key).status_code == 200
    admin.service.clock.advance(1)
    refused(admin.service.call("GET", f"{ROOT}/users", key), 401, "API_KEY_EXPIRED")


@pytest.mark.parametrize("life", [0, -1, keys.LONGEST_LIFE + 1])
def test_no_key_is_made_for_ever_or_without_a_scope(service: Service, life: int) -> None:
    with pytest.raises(ValueError, match="days"):
        keys.create(service.doorward.env, "x", ("users:read",), life)
    with pytest.raises(ValueError, match="scope"):
        keys.create(service.doorward.env, "x", (), DAY)
    assert keys.all_keys(service.doorward.env) == []


def test_a_revoked_key_is_refused_at_once(admin: Admin) -> None:
    assert admin.get("/users").status_code == 200
    keys.revoke(admin.service.doorward.env, "helpdesk")
    refused(admin.get("/users"), 401, "API_KEY_REVOKED")


@pytest.mark.parametrize(
    "key",
    [
        "dwa_" + "A" * 43,
        "dwa_" + "A" * 42,
        "dwa_" + "A" * 44,
        "dwa_",
        "x",
        "A" * 100_000,
        "dwa_" + "A" * 42 + "=",
        "' OR 1=1 --",
    ],
)
def test_another_installations_key_and_what_is_no_key_are_refused(admin: Admin, key: str) -> None:
    headers = {"Authorization": f"Bearer {key}".encode()}
    refused(admin.service.call("GET", f"{ROOT}/users", headers=headers), 401, "API_KEY_INVALID")


def test_a_users_token_is_no_key_and_a_key_is_no_token(admin: Admin) -> None:
    person = Person.at(admin.service)
    for token in (person.refresh, person.access):
        refused(admin.service.call("GET", f"{ROOT}/users", token), 401, "API_KEY_INVALID")
    refused(admin.service.call("GET", "/auth/accesstoken", admin.key), 401, "TOKEN_INVALID")


def test_a_key_serves_in_the_header_only(admin: Admin) -> None:
    cookies = {"Cookie": f"accessToken={admin.key}; refreshToken={admin.key}"}
    refused(admin.service.call("GET", f"{ROOT}/users", headers=cookies), 401, "NO_TOKEN_PROVIDED")
    basic = {"Authorization": f"Basic {admin.key}"}
    refused(admin.service.call("GET", f"{ROOT}/users", headers=basic), 401, "NO_TOKEN_PROVIDED")


def test_the_use_of_a_key_is_noted_once_a_minute(admin: Admin) -> None:
    clock, env = admin.service.clock, admin.service.doorward.env
    first = clock.now_ms()
    admin.get("/users")
    clock.advance(59)
    admin.get("/users")
    assert keys.all_keys(env)[0].last_used_at == first
    clock.advance(1)
    admin.get("/users")
    assert keys.all_keys(env)[0].last_used_at == first + 60_000


def test_a_refused_call_is_no_use_of_a_key(admin: Admin) -> None:
    key = new_key(admin.service, "keys:read", name="narrow")
    refused(admin.service.call("GET", f"{ROOT}/users", key), 403, "SCOPE_MISSING")
    assert [each.last_used_at for each in keys.all_keys(admin.service.doorward.env)] == [None, None]


# --- what every act says ---------------------------------------------------------------------------------------------

ACTS = [each for each in OPERATIONS if each.body is not None]


@pytest.mark.parametrize("operation", ACTS, ids=lambda each: each.id)
def test_an_act_without_a_reason_is_refused(admin: Admin, operation: Any) -> None:
    admin.service.add_user()
    before = everything(admin.service)
    path = operation.path
    for name, value in PLACES.items():
        path = path.replace(name, value)
    answer = admin.call("POST", path, json=BODIES.get(operation.id, {}))
    refused(answer, 400, "body must have required property 'reason'")
    assert everything(admin.service) == before


@pytest.mark.parametrize(
    "reason", [None, "", " ", 1, ["x"], {}, "x" * 501, "a\nb", "a\0b", "\u202e"], ids=lambda each: repr(each)[:12]
)
def test_a_reason_is_words_in_one_line(admin: Admin, reason: Any) -> None:
    user_id = admin.service.add_user()
    before = everything(admin.service)
    answer = admin.act(f"/users/{user_id}/disable", reason=reason)
    assert answer.status_code == 400
    assert "reason" in answer.json()["message"]
    assert everything(admin.service) == before


def test_an_event_tells_who_acted_from_where_and_why(admin: Admin) -> None:
    user_id = admin.service.add_user()
    admin.act(f"/users/{user_id}/disable", reason="  left the company  ")
    event = admin.get("/events", userId=user_id).json()["items"][0]
    assert event["type"] == "user.disabled"
    assert event["actor"] == "helpdesk"
    assert event["reason"] == "left the company"
    assert event["clientAddress"] == "192.0.2.1"


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        ({"content": b"{"}, 400, "Body is not valid JSON"),
        ({"content": b"[]"}, 400, "body must be object"),
        ({"content": b""}, 400, "body must have required property 'reason'"),
        ({"json": {"reason": WHY, "resaon": WHY}}, 400, "body must NOT have additional properties"),
        ({"json": {"reason": WHY}, "headers": {"Content-Type": "text/plain"}}, 415, "UNSUPPORTED_MEDIA_TYPE"),
        ({"json": {"reason": "x" * 70_000}}, 413, "BODY_TOO_LARGE"),
    ],
)
def test_a_bad_body_is_told_in_the_words_of_the_contract(
    admin: Admin, options: dict[str, Any], status: int, message: str
) -> None:
    admin.service.add_user()
    options = {"headers": {"Content-Type": "application/json"}} | options
    if "json" in options and options["headers"]["Content-Type"] == "application/json":
        del options["headers"]
    refused(admin.call("POST", "/users/1/disable", **options), status, message)


def test_a_body_is_not_read_without_a_key(admin: Admin) -> None:
    answer = admin.service.call("POST", f"{ROOT}/users", content=b"{", headers={"Content-Type": "application/json"})
    refused(answer, 401, "NO_TOKEN_PROVIDED")


# --- users -----------------------------------------------------------------------------------------------------------


def emails(answer: httpx.Response) -> list[str]:
    return [user["email"] for user in answer.json()["items"]]


def paged(admin: Admin, path: str, **params: Any) -> Iterator[Any]:
    """All items, page by page."""
    cursor: dict[str, Any] = {}
    while True:
        page = admin.get(path, **params, **cursor).json()
        yield from page["items"]
        if page["next"] is None:
            return
        assert len(page["items"]) == params["limit"]
        cursor = {"cursor": page["next"]}


def test_users_are_found_by_the_beginning_of_a_name(admin: Admin) -> None:
    for email, username in (
        ("ann@example.org", "ann"), ("Anna@Example.org", None), ("bob@example.org", "Annabel"),
        ("ångström@example.org", None), ("z@example.org", None), ("an_x@example.org", None), ("an%x@example.org", None),
    ):  # fmt: skip
        admin.service.add_user(email, username=username)
    assert emails(admin.get("/users", prefix="ANN")) == ["ann@example.org", "Anna@Example.org", "bob@example.org"]
    assert emails(admin.get("/users", prefix="ann@EXAMPLE.o")) == ["ann@example.org"]
    assert emails(admin.get("/users", prefix="annab")) == ["bob@example.org"]
    assert emails(admin.get("/users", prefix="ÅNG")) == ["ångström@example.org"]
    assert emails(admin.get("/users", prefix="an_")) == ["an_x@example.org"]
    assert emails(admin.get("/users", prefix="an%")) == ["an%x@example.org"]
    assert emails(admin.get("/users", prefix="nn")) == []


def test_pages_hold_every_user_once_in_order(admin: Admin) -> None:
    for number in range(7):
        admin.service.add_user(f"u{number}@example.org", username=f"U-{number}")
    all_of_them = [f"u{number}@example.org" for number in range(7)]
    assert [each["email"] for each in paged(admin, "/users", limit=3)] == all_of_them
    assert [each["email"] for each in paged(admin, "/users", limit=3, prefix="u")] == all_of_them
    assert [each["email"] for each in paged(admin, "/users", limit=7, prefix="u")] == all_of_them
    assert [each["email"] for each in paged(admin, "/users", limit=1, prefix="u-")] == all_of_them
    # Found by the username, and between others by the address, which is no second find.
    admin.service.add_user("v2@example.org", username="v1")
    admin.service.add_user("v3@example.org")
    assert [each["email"][:2] for each in paged(admin, "/users", limit=1, prefix="V")] == ["v2", "v3"]


@pytest.mark.parametrize(
    ("path", "params", "message"),
    [
        ("/users", {"limit": 0}, "querystring/limit must be >= 1"),
        ("/users", {"limit": 201}, "querystring/limit must be <= 200"),
        ("/users", {"limit": "many"}, "querystring/limit must be integer"),
        ("/users", {"limit": "9" * 5000}, "querystring/limit must be integer"),
        ("/users", {"limit": ["1", "2"]}, "querystring/limit must be given once"),
        ("/users", {"q": "ann"}, "querystring must NOT have additional properties"),
        ("/users", {"prefix": ""}, "querystring/prefix must NOT have fewer than 1 characters"),
        ("/users", {"prefix": "x" * 257}, "querystring/prefix must NOT have more than 256 characters"),
        ("/users", {"cursor": "x"}, "querystring/cursor is not the `next` of a page"),
        ("/users", {"cursor": "-1"}, "querystring/cursor is not the `next` of a page"),
        ("/users", {"cursor": "9" * 19}, "querystring/cursor is not the `next` of a page"),
        ("/users", {"prefix": "a", "cursor": "AA"}, "querystring/cursor is not the `next` of a page"),
        ("/users", {"prefix": "a", "cursor": "_w"}, "querystring/cursor is not the `next` of a page"),
        ("/users", {"prefix": "a", "cursor": "é"}, "querystring/cursor is not the `next` of a page"),
        ("/events", {"type": "nothing"}, "querystring/type must be equal to one of the allowed values"),
        ("/events", {"userId": "ann"}, "querystring/userId must be integer"),
        ("/events", {"userId": 10**18}, f"querystring/userId must be <= {10**18 - 1}"),
        ("/events", {"since": "yesterday"}, "querystring/since must be a time like 2026-01-31T12:00:00Z"),
        ("/events", {"since": "2026-01-31"}, "querystring/since must be a time like 2026-01-31T12:00:00Z"),
        ("/events", {"since": "2026-01-31T12:00:00"}, "querystring/since must be a time like 2026-01-31T12:00:00Z"),
        ("/mails", {"state": "lost"}, "querystring/state must be equal to one of the allowed values"),
    ],
)
def test_a_bad_parameter_is_named(admin: Admin, path: str, params: dict[str, Any], message: str) -> None:
    refused(admin.get(path, **params), 400, message)


@pytest.mark.parametrize("prefix", ["\0", "a\0", "\ufffe", "@", "a@", "@b", "a@b..", "ß", "\U0010ffff"])
def test_any_beginning_may_be_asked_for(admin: Admin, prefix: str) -> None:
    assert admin.get("/users", prefix=prefix).json() == {"items": [], "next": None}


def test_all_about_a_user_but_the_secrets(admin: Admin) -> None:
    person = Person.at(admin.service)
    person.enable_totp()
    (user,) = admin.get("/users", prefix=EMAIL).json()["items"]
    shown = admin.get(f"/users/{user['id']}").json()
    assert {name: shown[name] for name in user} == user
    assert shown["totpAt"] is not None
    assert shown["emailOtpAt"] is None
    assert shown["sessions"] >= 1
    assert shown["lastLoginAt"] is not None
    assert shown["events"][0]["type"] == "factor.enabled"


def test_a_user_who_never_logged_in_has_no_last_login(admin: Admin) -> None:
    user_id = admin.service.add_user()
    assert admin.get(f"/users/{user_id}").json()["lastLoginAt"] is None


def test_the_last_login_outlives_its_session(admin: Admin) -> None:
    user_id = admin.service.add_user()
    at = admin.service.clock.now_ms()
    admin.service.login()
    admin.service.clock.advance(20 * 86_400)
    admin.service.doorward.sweeper.sweep()
    shown = admin.get(f"/users/{user_id}").json()
    assert shown["sessions"] == 0
    assert shown["lastLoginAt"] == iso(at)


def test_a_created_user_logs_in(admin: Admin) -> None:
    answer = admin.act("/users", email=EMAIL, username="ann", password=PASSWORD)
    assert answer.status_code == 201
    assert answer.json()["hasPassword"]
    assert admin.service.login("ann")
    refused(admin.act("/users", email="Ann@example.org"), 409, "NAME_ALREADY_IN_USE")
    refused(admin.act("/users", email="x"), 400, "Invalid email address")
    assert admin.act("/users", email="x@example.org", password="weak").status_code == 400
    assert admin.act("/users", email="x@example.org", username="a\0b").status_code == 400


def test_of_two_who_add_the_same_user_at_once_one_does(admin: Admin) -> None:
    answers = by_many(lambda _: admin.act("/users", email=EMAIL).status_code, 8)
    assert sorted(answers) == [201] + [409] * 7


def test_an_invited_user_sets_a_password(admin: Admin) -> None:
    user = admin.act("/users/invite", email=EMAIL, language="nl").json()
    assert user["language"] == "nl"
    old = admin.service.mailed_code(EMAIL)
    assert admin.act(f"/users/{user['id']}/invite-again").status_code == 204
    code = admin.service.mailed_code(EMAIL)
    body = {"userEmail": EMAIL, "otp": code, "newPassword": PASSWORD}
    if old != code:
        assert admin.service.call("PUT", "/user/password/otp", json=body | {"otp": old}).status_code == 401
    assert admin.service.call("PUT", "/user/password/otp", json=body).status_code == 204
    refused(admin.act(f"/users/{user['id']}/invite-again"), 409, "INVITATION_OVER")
    refused(admin.act(f"/users/{user['id']}/withdraw-invitation"), 409, "INVITATION_OVER")
    refused(admin.act("/users/invite", email="x@mailinator.com"), 403, "FORBIDDEN_MAIL_PROVIDER")


def test_a_withdrawn_invitation_leaves_no_account(admin: Admin) -> None:
    user_id = admin.act("/users/invite", email=EMAIL).json()["id"]
    assert admin.act(f"/users/{user_id}/withdraw-invitation").status_code == 204
    refused(admin.get(f"/users/{user_id}"), 404, "USER_NOT_FOUND")


def test_a_disabled_user_is_out_until_enabled(admin: Admin) -> None:
    person = Person.at(admin.service)
    user_id = admin.get("/users").json()["items"][0]["id"]
    for _ in range(2):
        assert admin.act(f"/users/{user_id}/disable").json()["disabled"] is True
    refused(person.get("/auth/accesstoken", person.refresh), 401, "TOKEN_REVOKED")
    for _ in range(2):
        assert admin.act(f"/users/{user_id}/enable").json()["disabled"] is False
    assert admin.service.login()
    told = [event["type"] for event in admin.get("/events", userId=user_id).json()["items"]]
    assert told.count("user.disabled") == told.count("user.enabled") == 1


def test_a_deleted_user_is_gone_and_the_events_stay(admin: Admin) -> None:
    user_id = admin.service.add_user()
    assert admin.act(f"/users/{user_id}/delete").status_code == 204
    refused(admin.act(f"/users/{user_id}/delete"), 404, "USER_NOT_FOUND")
    assert [event["type"] for event in admin.get("/events", userId=user_id).json()["items"]] == [
        "user.deleted",
        "user.created",
    ]


def test_sessions_are_seen_and_ended_one_or_all(admin: Admin) -> None:
    user_id = admin.service.add_user()
    first, second, third = (admin.service.login() for _ in range(3))
    items = admin.get(f"/users/{user_id}/sessions").json()["items"]
    assert len(items) == 3
    for item in items:
        assert admin.act(f"/users/{user_id}/sessions/{item['id']}/end").status_code == 204
        refused(admin.act(f"/users/{user_id}/sessions/{item['id']}/end"), 404, "SESSION_NOT_FOUND")
        break
    assert sorted(which_are_good(admin.service, first, second, third)) == [False, True, True]
    assert admin.act(f"/users/{user_id}/sessions/end").json() == {"ended": 2}
    assert which_are_good(admin.service, first, second, third) == [False, False, False]
    assert admin.get(f"/users/{user_id}/sessions").json() == {"items": []}
    assert admin.act(f"/users/{user_id}/sessions/end").json() == {"ended": 0}
    events = admin.get("/events", userId=user_id, type="session.ended").json()["items"]
    assert [(event["detail"], event["sessionId"]) for event in events] == [
        ("administrator", None),
        ("administrator", item["id"]),
    ]


def test_anothers_session_is_not_ended_by_way_of_a_user(admin: Admin) -> None:
    ann, bob = admin.service.add_user(), admin.service.add_user(BOB)
    token = admin.service.login()
    (session,) = admin.get(f"/users/{ann}/sessions").json()["items"]
    refused(admin.act(f"/users/{bob}/sessions/{session['id']}/end"), 404, "SESSION_NOT_FOUND")
    assert admin.service.access(token)


def test_reset_factors_are_told_by_mail(admin: Admin) -> None:
    person = Person.at(admin.service)
    person.enable_totp()
    user_id = admin.get("/users").json()["items"][0]["id"]
    admin.service.deliver()
    before = len(admin.service.smtp.mails)
    assert admin.act(f"/users/{user_id}/reset-factors").json() == {"removed": ["totp"]}
    assert admin.act(f"/users/{user_id}/reset-factors").json() == {"removed": []}
    admin.service.deliver()
    assert len(admin.service.smtp.mails) == before + 2
    assert admin.service.access(admin.service.login())


def test_another_address_is_set_and_the_old_one_told(admin: Admin) -> None:
    user_id = admin.service.add_user()
    admin.service.add_user(BOB)
    assert admin.service.call("POST", "/user/password/reset/send", json={"email": EMAIL}).is_success
    code = admin.service.mailed_code(EMAIL)
    answer = admin.act(f"/users/{user_id}/set-address", email="new@example.org")
    assert (answer.json()["email"], answer.json()["username"]) == ("new@example.org", "new@example.org")
    assert admin.service.login("new@example.org")
    admin.service.deliver()
    assert admin.service.smtp.mails[-1].recipients == (EMAIL,)
    for email in (EMAIL, "new@example.org"):
        body = {"userEmail": email, "otp": code, "newPassword": PASSWORD}
        assert admin.service.call("PUT", "/user/password/otp", json=body).status_code == 401
    refused(admin.act(f"/users/{user_id}/set-address", email=BOB), 409, "NAME_ALREADY_IN_USE")
    assert admin.get(f"/users/{user_id}").json()["email"] == "new@example.org"
    refused(admin.act(f"/users/{user_id}/set-address", email="x@mailinator.com"), 403, "FORBIDDEN_MAIL_PROVIDER")


def test_a_code_to_an_address_is_void_even_when_the_address_comes_back(admin: Admin) -> None:
    user_id = admin.service.add_user()
    admin.service.call("POST", "/user/password/reset/send", json={"email": EMAIL})
    code = admin.service.mailed_code(EMAIL)
    for email in ("new@example.org", EMAIL):
        assert admin.act(f"/users/{user_id}/set-address", email=email).status_code == 200
    body = {"userEmail": EMAIL, "otp": code, "newPassword": PASSWORD}
    refused(admin.service.call("PUT", "/user/password/otp", json=body), 401, "OTP_INVALID_EXPIRED")


def test_a_change_of_address_under_way_ends_with_an_administrators(admin: Admin) -> None:
    person = Person.at(admin.service)
    user_id = admin.get("/users").json()["items"][0]["id"]
    assert person.post("/user/email/initiate", person.access, email="thief@example.org").is_success
    code = admin.service.mailed_code("thief@example.org")
    assert admin.act(f"/users/{user_id}/set-address", email="new@example.org").status_code == 200
    refused(person.put("/user/email", person.access, otp=code), 401, "OTP_INVALID_EXPIRED")


@pytest.mark.parametrize(
    "operation", [each for each in OPERATIONS if "{userId}" in each.path], ids=lambda each: each.id
)
def test_a_user_who_is_not_there_is_a_404(admin: Admin, operation: Any) -> None:
    refused(called(admin, operation.id, admin.key), 404, "USER_NOT_FOUND")


# --- events, mails, keys, settings -----------------------------------------------------------------------------------


def test_events_are_found_by_user_type_and_time_in_order(admin: Admin) -> None:
    clock = admin.service.clock
    ann = admin.service.add_user()
    start = clock.now_ms()
    for hour in range(5):
        clock.advance(3600)
        admin.service.call("POST", "/auth/login", json={"username": EMAIL, "password": f"wrong-{hour}"})
    bob = admin.service.add_user(BOB)
    refusals = list(paged(admin, "/events", type="login.refused", limit=2))
    assert [event["userId"] for event in refusals] == [ann] * 5
    assert [event["id"] for event in refusals] == sorted((event["id"] for event in refusals), reverse=True)
    window = {"since": iso(start + 2 * 3_600_000), "until": iso(start + 4 * 3_600_000)}
    inside = list(paged(admin, "/events", limit=1, **window))
    assert [event["at"] for event in inside] == [iso(start + hour * 3_600_000) for hour in (3, 2)]
    assert [event["type"] for event in admin.get("/events", userId=bob, **window).json()["items"]] == []
    assert len(list(paged(admin, "/events", limit=50, userId=ann, type="user.created"))) == 1
    assert admin.get("/events", since="2999-01-01T00:00:00Z").json()["items"] == []
    assert admin.get("/events", until="0001-01-01T00:00:00Z").json()["items"] == []


def test_a_mail_that_waits_is_seen_without_what_it_carries(admin: Admin) -> None:
    admin.service.add_user()
    admin.service.call("POST", "/user/password/reset/send", json={"email": EMAIL})
    admin.service.call("POST", "/user/password/reset/send", json={"email": "nobody@example.org"})
    ann, nobody = admin.get("/mails").json()["items"]
    assert (ann["to"], ann["template"], ann["toNobody"], ann["attempts"]) == (EMAIL, "reset-code", False, 0)
    assert nobody["toNobody"]
    assert "params" not in str(ann)
    assert [each["id"] for each in paged(admin, "/mails", limit=1)] == [ann["id"], nobody["id"]]
    assert admin.service.mailed_code(EMAIL) not in str(ann)
    assert admin.get("/mails").json()["items"] == []


def test_a_mail_that_was_given_up_tells_why_and_is_sent_again(admin: Admin) -> None:
    service = admin.service
    user_id = service.add_user()
    admin.act(f"/users/{user_id}/set-address", email="new@example.org")
    with without_key(service):
        service.deliver()
    assert admin.get("/mails").json()["items"] == []
    (mail,) = admin.get("/mails", state="failed").json()["items"]
    assert mail["lastError"] == "no key opens it"
    assert mail["failedAt"] is not None
    assert mail["nextAttemptAt"] is None
    assert service.smtp.mails == []
    assert admin.act(f"/mails/{mail['id']}/send-again").status_code == 204
    service.deliver()
    assert [each.recipients for each in service.smtp.mails] == [(EMAIL,)]
    refused(admin.act(f"/mails/{mail['id']}/send-again"), 404, "MAIL_NOT_FOUND")
    (event,) = admin.get("/events", type="mail.sent_again").json()["items"]
    assert (event["actor"], event["reason"], event["detail"]) == ("helpdesk", WHY, str(mail["id"]))


def test_a_mail_that_was_given_up_is_forgotten_after_a_week(admin: Admin) -> None:
    service = admin.service
    user_id = service.add_user()
    admin.act(f"/users/{user_id}/set-address", email="new@example.org")
    with without_key(service):
        service.deliver()
    service.clock.advance(7 * 86_400 - 1)
    service.doorward.sweeper.sweep()
    assert len(admin.get("/mails", state="failed").json()["items"]) == 1
    service.clock.advance(1)
    service.doorward.sweeper.sweep()
    assert admin.get("/mails", state="failed").json()["items"] == []


def test_a_mail_that_is_over_or_being_sent_is_not_sent_again(admin: Admin) -> None:
    service = admin.service
    service.add_user()
    service.call("POST", "/user/password/reset/send", json={"email": EMAIL})
    (mail,) = admin.get("/mails").json()["items"]
    with service.doorward.env.db.write() as tx:
        tx.execute(sa.update(outbox).values(claimed_until=tx.now + 60_000))
    refused(admin.act(f"/mails/{mail['id']}/send-again"), 409, "MAIL_IN_PROGRESS")
    service.clock.advance(3600)
    refused(admin.act(f"/mails/{mail['id']}/send-again"), 409, "MAIL_EXPIRED")


def test_keys_show_what_is_public_and_rotate(admin: Admin) -> None:
    (key,) = admin.get("/keys").json()["items"]
    assert (key["state"], key["algorithm"]) == ("signing", "EdDSA")
    made = admin.act("/keys/rotate")
    assert made.status_code == 201
    admin.service.clock.advance(10)
    assert [each["state"] for each in admin.get("/keys").json()["items"]] == ["signing", "waiting"]
    (event,) = admin.get("/events", type="signing_key.rotated").json()["items"]
    assert (event["detail"], event["reason"]) == (made.json()["kid"], WHY)


def test_settings_hide_their_secrets(start: Callable[..., Service]) -> None:
    secret = "another-secret-key-for-tests-of-32-signs-or-more"
    service = start(secret_key=secret)
    service.check = held
    settings = Admin(service, new_key(service)).get("/settings").json()["settings"]
    assert settings["secret_key"] == "(hidden)"
    assert secret not in str(settings)
    assert settings["public_url"] == "https://auth.example.org"


# --- the whole -------------------------------------------------------------------------------------------------------


def test_the_document_is_open_and_describes_every_operation(admin: Admin) -> None:
    answer = admin.service.from_address("192.0.2.9").get(f"{ROOT}/openapi.json")
    assert answer.json() == DOCUMENT
    described = {(verb.upper(), path) for path, verbs in DOCUMENT["paths"].items() for verb in verbs}
    assert described == {(each.verb, ROOT + each.path) for each in OPERATIONS}
    assert len({each.id for each in OPERATIONS}) == len(OPERATIONS)


@pytest.mark.parametrize(
    "path", ["/", "/x", "/users/", "/users/x", "/users/1/", "/users/-1", "/users/1%0A", "/users/١"]
)
def test_other_paths_are_not_there(admin: Admin, path: str) -> None:
    refused(admin.call("GET", path), 404, "NOT_FOUND")


def test_the_docs_hold_the_table_of_operations_and_the_page_shows_them(admin: Admin) -> None:
    page = (Path(__file__).parents[1] / "docs" / "admin-api.md").read_text("utf-8")
    assert f"<!-- operations -->\n{reference(OPERATIONS)}\n<!-- end -->" in page
    assert f'"?admin" ? "{ROOT}/openapi.json"' in admin.service.call("GET", "/docs/assets/start.js").text


def test_another_verb_is_told_which_ones_there_are(admin: Admin) -> None:
    answer = admin.call("DELETE", "/users")
    refused(answer, 405, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"] == "OPTIONS, GET, POST"
    assert admin.call("OPTIONS", "/users/1").headers["allow"] == "OPTIONS, GET"


def test_no_key_and_no_reason_reaches_the_log(admin: Admin, capfd: pytest.CaptureFixture[str]) -> None:
    admin.act("/users", email=EMAIL, password=PASSWORD)
    admin.service.call("GET", f"{ROOT}/users", "dwa_" + "B" * 43)
    told = "".join(capfd.readouterr())
    for secret in (admin.key, "B" * 43, PASSWORD, WHY, EMAIL):
        assert secret not in told


def everything(service: Service) -> list[Any]:
    """All that an act could change: events tell of each."""
    with service.doorward.env.db.read() as tx:
        counted = sa.select(sa.func.count()).select_from(events).where(events.c.type != "admin_key.created")
        used = sa.select(admin_keys.c.last_used_at).where(admin_keys.c.name == "others")
        return [tx.execute(counted).scalar(), tx.execute(used).scalar()]


def which_are_good(service: Service, *tokens: str) -> list[bool]:
    return [service.call("GET", "/auth/accesstoken", token).is_success for token in tokens]


@contextmanager
def without_key(service: Service) -> Iterator[None]:
    """Meanwhile what waits was sealed by nobody."""
    with service.doorward.env.db.write() as tx:
        kept = {row.id: row.content for row in tx.execute(sa.select(outbox.c.id, outbox.c.content))}
        tx.execute(sa.update(outbox).values(content=b"x" * 64))
    yield
    with service.doorward.env.db.write() as tx:
        for mail_id, content in kept.items():
            tx.execute(sa.update(outbox).where(outbox.c.id == mail_id).values(content=content))
