"""An unknown account costs what a known one does: the same statements in the same order, and as many hashes.

What that comes to in time is measured by `python -m tests.timing`.
"""

from collections.abc import Callable
from typing import Any

import pytest

from doorward.accounts import flows as accounts
from tests.support.service import PASSWORD, Service
from tests.support.statements import each_statement

KINDS = ("known", "unknown", "disabled", "passwordless")
CALLS: dict[str, tuple[str, str, str, dict[str, str]]] = {
    "login": ("POST", "/auth/login", "username", {"password": "Wrong-Horse-1"}),
    "reset": ("POST", "/user/password/reset/send", "email", {}),
    "older reset": ("POST", "/v1/auth/forgot-password", "email", {}),
    "validate": ("POST", "/user/password/reset/validate", "email", {"otp": "000000"}),
    "new password": (
        *("PUT", "/user/password/otp", "userEmail"),
        {"otp": "000000", "newPassword": "Another-Horse-2"},
    ),
}


def work_of(service: Service, call: Callable[[], Any]) -> tuple[list[str], int]:
    """The statements that the call makes, and how often it looks at the time that its hashes take."""
    statements: list[str] = []
    looks: list[float] = []
    env = service.doorward.env

    def timer() -> float:
        looks.append(0.0)
        return 0.0

    before, env.hasher._timer = env.hasher._timer, timer
    try:
        with each_statement(lambda sql, _: statements.append(sql)):
            call()
    finally:
        env.hasher._timer = before
    return statements, len(looks)


@pytest.mark.parametrize("name", CALLS)
def test_an_account_that_is_not_there_costs_the_same_work(service: Service, name: str) -> None:
    verb, path, field, rest = CALLS[name]
    for kind in KINDS:
        if kind != "unknown":
            service.add_user(f"{kind}@example.org", None if kind == "passwordless" else PASSWORD)
    accounts.disable(service.doorward.env, "disabled@example.org")

    def call(kind: str) -> Callable[[], Any]:
        body = {field: f"{kind}@example.org"} | rest
        client = service.from_address(f"203.0.113.{KINDS.index(kind)}")
        return lambda: client.request(verb, path, json=body)

    # Each account is asked twice: then there are counts, too.
    for _ in range(2):
        statements, looks = work_of(service, call("known"))
        for kind in KINDS[1:]:
            assert work_of(service, call(kind)) == (statements, looks), kind
        assert statements
        assert bool(looks) == (name == "login")
        service.clock.advance(60)


def test_without_a_password_not_even_the_empty_one_is_right(service: Service) -> None:
    service.add_user("passwordless@example.org", None)
    for name in ("passwordless@example.org", "unknown@example.org"):
        answer = service.call("POST", "/auth/login", json={"username": name, "password": ""})
        assert (answer.status_code, answer.json()["message"]) == (401, "PASSWORD_INCORRECT")
