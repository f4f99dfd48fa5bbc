"""The waits after wrong passwords, and that no open call tells who has an account."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from doorward.accounts import flows as accounts
from doorward.core.client import Client
from doorward.core.errors import Refused
from doorward.core.tables import throttles
from doorward.passwords import guesses
from doorward.users import store as users
from tests.support.service import EMAIL, PASSWORD, Service

WAITS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]
PER_ANSWER = {"x-request-id", "date"}


def login(service: Service, password: str, name: str = EMAIL, address: str = "203.0.113.9") -> httpx.Response:
    client = service.from_address(address)
    return client.post("/auth/login", json={"username": name, "password": password})


def wait_of(answer: httpx.Response) -> int:
    assert answer.status_code == 429, answer.text
    assert answer.json()["message"] == "TOO_MANY_FAILED_PASSWORD_CHECKS"
    wait: int = answer.json()["retryAfter"]
    return wait


def test_five_wrong_passwords_are_free_and_then_the_wait_doubles_to_fifteen_minutes(service: Service) -> None:
    service.add_user()
    assert [login(service, "wrong").status_code for _ in range(5)] == [401] * 5
    for wait in WAITS:
        assert wait_of(login(service, "wrong")) == wait
        service.clock.advance(wait - 0.001)
        assert wait_of(login(service, PASSWORD)) == 1
        service.clock.advance(0.001)
        assert login(service, "wrong").status_code == 401


def test_the_wait_is_rounded_up_and_never_0(service: Service) -> None:
    service.add_user()
    for _ in range(5):
        login(service, "wrong")
    service.clock.advance(1)
    login(service, "wrong")
    for gap, wait in ((0.001, 2), (0.998, 2), (0.001, 1), (0.999, 1)):
        service.clock.advance(gap)
        assert wait_of(login(service, "wrong")) == wait
    service.clock.advance(0.001)
    assert login(service, "wrong").status_code == 401


def test_an_early_retry_neither_counts_nor_lengthens_the_wait(service: Service) -> None:
    service.add_user()
    for _ in range(5):
        login(service, "wrong")
    assert {wait_of(login(service, "wrong")) for _ in range(50)} == {1}
    service.clock.advance(1)
    assert login(service, "wrong").status_code == 401
    assert wait_of(login(service, "wrong")) == 2


def test_while_waiting_even_the_right_password_is_refused_and_after_it_frees_the_account(service: Service) -> None:
    service.add_user()
    for _ in range(5):
        login(service, "wrong")
    assert wait_of(login(service, PASSWORD)) == 1
    service.clock.advance(1)
    assert login(service, PASSWORD).status_code == 200
    # The address is known to the account now, and its count is empty.
    assert [login(service, "wrong").status_code for _ in range(6)] == [401] * 5 + [429]


def test_a_right_password_is_never_counted(service: Service) -> None:
    service.add_user()
    assert {login(service, PASSWORD).status_code for _ in range(20)} == {200}


def test_a_right_password_resets_the_count_of_its_account(service: Service) -> None:
    service.add_user()
    assert login(service, PASSWORD).status_code == 200
    for _ in range(3):
        assert [login(service, "wrong").status_code for _ in range(4)] == [401] * 4
        assert login(service, PASSWORD).status_code == 200


def test_a_right_password_counts_for_nothing_when_a_wait_began_while_it_was_checked(service: Service) -> None:
    service.add_user()
    env = service.doorward.env
    client = Client("203.0.113.9")
    with env.db.read() as tx:
        keys = guesses.throttle_keys(tx, env, users.find_by_name(tx, EMAIL), EMAIL, client)
    for _ in range(5):
        login(service, "wrong")
    with pytest.raises(Refused, match="TOO_MANY_FAILED_PASSWORD_CHECKS"), env.db.write() as tx:
        guesses.settle(tx, keys, right=True)
    assert wait_of(login(service, PASSWORD)) == 1


def test_what_people_typed_as_a_name_is_not_kept(service: Service) -> None:
    name = "a-password-typed-as-a-name@example.org"
    assert login(service, "wrong", name).status_code == 401
    assert service.call("POST", RESET, json={"email": name}).status_code == 204
    with service.doorward.env.db.read() as tx:
        keys = list(tx.execute(sa.select(throttles.c.key)).scalars())
    assert len(keys) == 3
    assert not any("typed" in key for key in keys)


def test_guesses_count_per_account_whatever_address_they_come_from(service: Service) -> None:
    service.add_user()
    statuses = [login(service, "wrong", address=f"203.0.113.{number}").status_code for number in range(7)]
    assert statuses == [401] * 5 + [429] * 2
    service.add_user("bob@example.org")
    assert login(service, "wrong", "bob@example.org", "203.0.113.99").status_code == 401


def test_guesses_count_per_client_address_whatever_account_they_are_at(service: Service) -> None:
    names = [f"user{number}@example.org" for number in range(7)]
    for name in names:
        service.add_user(name)
    assert [login(service, "wrong", name).status_code for name in names] == [401] * 5 + [429] * 2
    assert login(service, "wrong", names[-1], "203.0.113.10").status_code == 401


def test_the_addresses_of_one_ipv6_network_count_as_one(service: Service) -> None:
    addresses = [f"2001:db8:0:1::{number:x}" for number in range(1, 8)]
    answers = [login(service, "wrong", f"user{number}@x.org", each) for number, each in enumerate(addresses)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429] * 2
    assert login(service, "wrong", "user9@x.org", "2001:db8:0:2::1").status_code == 401


def test_a_right_password_of_ones_own_frees_no_guesses_at_others(service: Service) -> None:
    service.add_user("mallory@example.org")
    victims = [f"user{number}@example.org" for number in range(6)]
    assert [login(service, "wrong", name).status_code for name in victims[:4]] == [401] * 4
    assert login(service, PASSWORD, "mallory@example.org").status_code == 200
    assert [login(service, "wrong", name).status_code for name in victims[4:]] == [401, 429]


def test_a_stranger_does_not_lock_the_owner_out(service: Service) -> None:
    service.add_user()
    assert login(service, PASSWORD, address="192.0.2.7").status_code == 200
    for number in range(20):
        login(service, "wrong", address=f"203.0.113.{number}")
    assert wait_of(login(service, PASSWORD, address="203.0.113.50"))
    assert login(service, PASSWORD, address="192.0.2.7").status_code == 200
    # At home too there are but five guesses, in a count of their own.
    assert [login(service, "wrong", address="192.0.2.7").status_code for _ in range(6)] == [401] * 5 + [429]


def test_the_old_password_is_guessed_under_the_same_wait(service: Service) -> None:
    service.add_user()
    access = service.access(service.login())
    body = {"oldPassword": "wrong", "newPassword": "Another-Horse-2"}
    answers = [service.call("PUT", "/user/password/old-password", access, json=body) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    assert wait_of(service.call("POST", "/auth/login", json={"username": EMAIL, "password": PASSWORD})) == 1


def test_a_days_rest_forgets_the_wrong_guesses(service: Service) -> None:
    service.add_user()
    for _ in range(4):
        login(service, "wrong")
    service.clock.advance(86_400 + 900)
    assert [login(service, "wrong").status_code for _ in range(6)] == [401] * 5 + [429]


def test_a_name_in_another_spelling_is_the_same_count(service: Service) -> None:
    service.add_user()
    for name in ("nobody@example.org", EMAIL):
        spellings = [name, name.upper(), f" {name}", f"{name} ", name.title(), name.capitalize()]
        # Each from an address of its own: what they share is the name.
        statuses = [
            login(service, "wrong", spelling, f"2001:db8:{len(name)}:{number}::1").status_code
            for number, spelling in enumerate(spellings)
        ]
        assert statuses == [401] * 5 + [429]


# No enumeration

ACCOUNTS = ("known@example.org", "unknown@example.org", "disabled@example.org", "passwordless@example.org")
RESET = "/user/password/reset/send"
VALIDATE = "/user/password/reset/validate"
REPLACE = "/user/password/otp"
OLDER = "/v1/auth/forgot-password"
OLD_OTP = {"otp": "000000"}
NEW = {"newPassword": "Another-Horse-2"}
# Journeys: each step is a call, and the seconds that pass after it.
JOURNEYS: dict[str, list[tuple[str, str, str, dict[str, Any], float]]] = {
    "login": [("POST", "/auth/login", "username", {"password": "wrong"}, gap) for gap in [0.0] * 6 + [1, 2, 0, 3, 900]],
    "reset": [
        ("POST", RESET, "email", {}, 0),
        ("POST", RESET, "email", {}, 59.5),
        ("POST", RESET, "email", {}, 0.5),
        ("POST", OLDER, "email", {}, 10),
        ("POST", OLDER, "email", {}, 0),
        ("POST", RESET, "email", {}, 50),
        ("POST", RESET, "email", {}, 0),
    ],
    "reset in another brand and language": [
        ("POST", f"{RESET}?origin=shop&language=nl", "email", {}, 0),
        ("POST", f"{RESET}?origin=shop&language=nl", "email", {}, 0),
    ],
    "guesses at a code": [
        ("POST", VALIDATE, "email", OLD_OTP, 0),
        ("POST", RESET, "email", {}, 0),
        *[("POST", VALIDATE, "email", OLD_OTP, 0.0)] * 7,
        *[("PUT", REPLACE, "userEmail", OLD_OTP | NEW, 0.0)] * 7,
        ("POST", RESET, "email", {}, 60),
        ("POST", RESET, "email", {}, 0),
        *[("POST", VALIDATE, "email", OLD_OTP, 0.0)] * 7,
        ("PUT", REPLACE, "userEmail", OLD_OTP | NEW, 700),
        ("POST", VALIDATE, "email", OLD_OTP, 0),
    ],
    "bad bodies": [
        ("PUT", REPLACE, "userEmail", OLD_OTP | {"newPassword": "weak"}, 0),
        ("POST", VALIDATE, "email", {"otp": "1"}, 0),
        ("POST", VALIDATE, "email", {"otp": "abcdef"}, 0),
        ("POST", "/auth/login", "username", {}, 0),
        ("POST", "/auth/login", "username", {"password": "x" * 257}, 0),
    ],
}


@pytest.mark.parametrize("journey", JOURNEYS)
def test_open_calls_answer_alike_whether_or_not_there_is_an_account(
    start: Callable[..., Service], journey: str
) -> None:
    """Status, body, headers and waits, step by step; the time that is measured is bench/'s affair."""
    service = start()
    for email in ACCOUNTS:
        if not email.startswith("unknown"):
            service.add_user(email, None if email.startswith("passwordless") else PASSWORD)
    accounts.disable(service.doorward.env, "disabled@example.org")
    for verb, path, field, rest, gap in JOURNEYS[journey]:
        seen = []
        for number, email in enumerate(ACCOUNTS):
            client = service.from_address(f"203.0.113.{number}")
            answer = client.request(verb, path, json={field: email} | rest)
            headers = {name: value for name, value in answer.headers.items() if name not in PER_ANSWER}
            seen.append((answer.status_code, answer.text, headers))
        assert seen == [seen[0]] * len(ACCOUNTS), (verb, path)
        service.clock.advance(gap)


def test_a_transfer_does_not_tell_who_has_an_account_until_the_code_is_shown(service: Service) -> None:
    service.add_user()
    service.add_user("taken@example.org")
    access = service.access(service.login())
    seen = []
    for email in ("taken@example.org", "free@example.org"):
        answer = service.call("POST", "/user/email/initiate", access, json={"email": email})
        seen.append((answer.status_code, answer.text, sorted(answer.headers)))
        service.clock.advance(60)
    assert seen[0] == seen[1]


def test_a_reset_mails_only_to_an_account_that_may_log_in(service: Service) -> None:
    service.add_user("known@example.org")
    service.add_user("disabled@example.org")
    accounts.disable(service.doorward.env, "disabled@example.org")
    for email in ("known@example.org", "unknown@example.org", "disabled@example.org"):
        assert service.call("POST", RESET, json={"email": email}).status_code == 204
    service.deliver()
    assert [mail.recipients for mail in service.smtp.mails] == [("known@example.org",)]
