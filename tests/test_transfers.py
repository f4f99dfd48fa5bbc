"""Transfers: an account moves to another address."""

from collections.abc import Callable

import pytest

from doorward.accounts import flows as accounts
from tests.support.person import TOTP, Person, good, notices, refusal, wrong_code
from tests.support.service import EMAIL, PASSWORD, Service

NEW = "moved@example.org"
INVALID = (401, "OTP_INVALID_EXPIRED")


def initiate(person: Person, to: str = NEW, token: str | None = None) -> str:
    good(person.post("/user/email/initiate", token or person.access, email=to))
    return person.service.mailed_code(to)


def complete(person: Person, code: str) -> tuple[int, str]:
    answer = person.put("/user/email", person.access, otp=code)
    return (204, "") if answer.status_code == 204 else refusal(answer)


def login(service: Service, name: str) -> int:
    return service.call("POST", "/auth/login", json={"username": name, "password": PASSWORD}).status_code


def test_the_code_goes_to_the_new_address_and_moves_the_account(service: Service) -> None:
    person = Person.at(service)
    code = initiate(person)
    assert notices(service, EMAIL) == []
    assert login(service, NEW) == 401
    assert complete(person, code) == (204, "")
    assert (login(service, NEW), login(service, EMAIL)) == (200, 401)


def test_the_old_address_gets_the_notice(service: Service) -> None:
    person = Person.at(service)
    complete(person, initiate(person))
    assert notices(service, EMAIL) == ["Your auth.example.org account has a new address"]
    body = service.smtp.messages[-1].get_body(("plain",))
    assert body is not None
    assert NEW not in body.get_content()
    assert "m•••@e•••.org" in body.get_content()
    assert notices(service, NEW) == ["Confirm your new address for auth.example.org"]


def test_later_notices_and_codes_go_to_the_new_address(service: Service) -> None:
    person = Person.at(service)
    complete(person, initiate(person))
    service.deliver()
    service.smtp.clear()
    person.enable_totp()
    service.clock.advance(60)
    good(person.post("/user/password/reset/send", None, email=NEW))
    good(person.post("/user/password/reset/send", None, email=EMAIL))
    assert len(notices(service, NEW)) == 2
    assert notices(service, EMAIL) == []


def test_sessions_outlive_a_transfer(service: Service) -> None:
    person = Person.at(service)
    complete(person, initiate(person))
    assert good(person.get("/auth/accesstoken/validate", person.access)) == {"userId": person.id}


def test_a_username_of_its_own_stays(service: Service) -> None:
    person = Person.at(service, username="ann")
    complete(person, initiate(person))
    assert (login(service, "ann"), login(service, NEW), login(service, EMAIL)) == (200, 200, 401)
    url = good(person.post(f"{TOTP}/setup", person.access))["url"]
    assert url.startswith("otpauth://totp/Doorward:ann?")


def test_a_username_that_is_the_address_moves_with_it_whatever_its_case(service: Service) -> None:
    person = Person.at(service, username="ANN@Example.ORG")
    complete(person, initiate(person))
    assert (login(service, NEW), login(service, EMAIL)) == (200, 401)
    url = good(person.post(f"{TOTP}/setup", person.access))["url"]
    assert url.startswith("otpauth://totp/Doorward:moved%40example.org?")


def test_the_left_address_is_free_for_others(service: Service) -> None:
    person = Person.at(service)
    complete(person, initiate(person))
    assert Person.at(service, EMAIL).id != person.id


def test_a_change_of_case_only_is_a_transfer_too(service: Service) -> None:
    person = Person.at(service)
    assert complete(person, initiate(person, "ANN@example.org")) == (204, "")
    assert login(service, EMAIL) == 200
    assert good(person.post(f"{TOTP}/setup", person.access))["url"].startswith(
        "otpauth://totp/Doorward:ANN%40example.org?"
    )


@pytest.mark.parametrize("taken", ["bob@example.org", "BOB@Example.ORG", "bob"])
def test_a_taken_address_shows_only_at_completion(service: Service, taken: str) -> None:
    address = "bob@example.org"
    Person.at(service, taken if "@" in taken else "b@example.org", username=None if "@" in taken else address)
    person = Person.at(service)
    code = initiate(person, address)
    assert complete(person, wrong_code(code)) == INVALID
    assert complete(person, code) == (409, "NEW_EMAIL_ALREADY_IN_USE")
    assert login(service, EMAIL) == 200
    assert notices(service, EMAIL) == []


def test_a_code_for_a_taken_address_is_used_up(service: Service) -> None:
    Person.at(service, "bob@example.org")
    person = Person.at(service)
    code = initiate(person, "bob@example.org")
    assert complete(person, code) == (409, "NEW_EMAIL_ALREADY_IN_USE")
    accounts.delete(service.doorward.env, "bob@example.org")
    assert complete(person, code) == INVALID


def test_initiating_answers_alike_for_a_taken_and_a_free_address(service: Service) -> None:
    Person.at(service, "bob@example.org")
    answers = []
    for address in ("bob@example.org", "free@example.org"):
        person = Person.at(service, f"asks-{address}")
        answer = person.post("/user/email/initiate", person.access, email=address)
        headers = {name: value for name, value in answer.headers.items() if name != "x-request-id"}
        answers.append((answer.status_code, answer.content, headers))
    assert answers[0] == answers[1]


def test_a_code_is_good_once_for_ten_minutes_and_only_the_newest(service: Service) -> None:
    person = Person.at(service)
    code = initiate(person)
    service.clock.advance(600)
    assert complete(person, code) == INVALID
    older = initiate(person, "older@example.org")
    service.clock.advance(60)
    newer = initiate(person)
    assert complete(person, older) == INVALID
    service.clock.advance(599.999)
    assert complete(person, newer) == (204, "")
    assert complete(person, newer) == INVALID
    assert login(service, NEW) == 200


def test_five_wrong_tries_void_the_code_and_a_new_one_does_not_reset_them(service: Service) -> None:
    person = Person.at(service)
    code = initiate(person)
    for _ in range(5):
        assert complete(person, wrong_code(code)) == INVALID
    assert complete(person, code) == INVALID
    service.clock.advance(60)
    code = initiate(person)
    assert complete(person, wrong_code(code)) == INVALID
    assert complete(person, code) == INVALID


def test_a_code_is_bound_to_its_user(service: Service) -> None:
    ann, bob = Person.at(service), Person.at(service, "bob@example.org")
    code = initiate(ann)
    assert complete(bob, code) == INVALID
    assert complete(ann, code) == (204, "")


def test_without_a_code_nothing_completes(service: Service) -> None:
    person = Person.at(service)
    assert complete(person, "123456") == INVALID
    assert complete(person, "12345") == (400, "body/otp must NOT have fewer than 6 characters")


def test_one_mail_a_minute(service: Service) -> None:
    person = Person.at(service)
    initiate(person)
    service.clock.advance(59.001)
    refused = person.post("/user/email/initiate", person.access, email="other@example.org")
    assert refusal(refused) == (429, "TOO_MANY_TRANSFER_ATTEMPTS")
    assert refused.json()["retryAfter"] == 1
    assert notices(service, "other@example.org") == []
    service.clock.advance(0.999)
    initiate(person, "other@example.org")


@pytest.mark.parametrize(
    "address",
    ["x@mailinator.com", "x@sub.mailinator.com", "x@blocked.example", "x@mail.blocked.example", "x@BLOCKED.example."],
)
def test_a_forbidden_provider_is_refused_everywhere(start: Callable[..., Service], address: str) -> None:
    service = start(blocked_mail_domains="blocked.example")
    person = Person.at(service)
    forbidden = (403, "FORBIDDEN_MAIL_PROVIDER")
    if address.endswith("."):
        assert person.post("/user/email/initiate", person.access, email=address).status_code in {400, 403}
        return
    assert refusal(person.post("/user/email/initiate", person.access, email=address)) == forbidden
    assert refusal(person.post("/user/2fa/email-otp/setup", person.access, email=address)) == forbidden
    assert refusal(person.post("/user/password/reset/send", None, email=address)) == forbidden
    older = person.post("/v1/auth/forgot-password", None, email=address)
    assert refusal(older) == (403, "Forbidden email provider")
    assert initiate(person)


def test_the_disposable_domains_can_be_allowed(start: Callable[..., Service]) -> None:
    service = start(allow_disposable_mail="true")
    person = Person.at(service)
    assert complete(person, initiate(person, "x@mailinator.com")) == (204, "")


def test_a_reset_code_mailed_to_the_left_address_is_void(service: Service) -> None:
    person = Person.at(service)
    good(person.post("/user/password/reset/send", None, email=EMAIL))
    reset = service.mailed_code(EMAIL)
    complete(person, initiate(person))
    for email in (EMAIL, NEW):
        assert refusal(person.post("/user/password/reset/validate", None, email=email, otp=reset)) == INVALID
        change = {"userEmail": email, "otp": reset, "newPassword": "Another-Horse-2"}
        assert refusal(person.put("/user/password/otp", None, **change)) == INVALID
    assert login(service, NEW) == 200


def test_a_disabled_user_completes_nothing(service: Service) -> None:
    person = Person.at(service)
    code, access = initiate(person), person.access
    accounts.disable(service.doorward.env, EMAIL)
    assert refusal(person.put("/user/email", access, otp=code)) == (401, "TOKEN_REVOKED")
