"""Reset codes and invitations, and the older door to the reset."""

from collections.abc import Callable

import pytest
import sqlalchemy as sa

from doorward.accounts import flows as accounts
from doorward.core.tables import mailed_codes
from doorward.mail.notices import MailChoice
from tests.support.person import Person, notices, refusal, wrong_code
from tests.support.service import EMAIL, PASSWORD, Service

NEW_PASSWORD = "Another-Horse-2"
NOBODY = "nobody@example.org"
INVALID = (401, "OTP_INVALID_EXPIRED")
SEND = "/user/password/reset/send"
FORGOT = "/v1/auth/forgot-password"


def post(service: Service, path: str, **body: str) -> tuple[int, str]:
    answer = service.call("POST", path, json=body)
    return (204, "") if answer.status_code == 204 else refusal(answer)


def validate(service: Service, code: str, email: str = EMAIL) -> tuple[int, str]:
    return post(service, "/user/password/reset/validate", email=email, otp=code)


def reset(service: Service, code: str, email: str = EMAIL, password: str = NEW_PASSWORD) -> tuple[int, str]:
    body = {"userEmail": email, "otp": code, "newPassword": password}
    answer = service.call("PUT", "/user/password/otp", json=body)
    return (204, "") if answer.status_code == 204 else refusal(answer)


def sent(service: Service, email: str = EMAIL) -> str:
    assert post(service, SEND, email=email) == (204, "")
    return service.mailed_code(EMAIL)


def test_validating_does_not_use_the_code_up(service: Service) -> None:
    Person.at(service)
    code = sent(service)
    for _ in range(7):
        assert validate(service, code) == (204, "")
    assert reset(service, code) == (204, "")
    assert validate(service, code) == INVALID
    assert reset(service, code) == INVALID
    assert service.login(password=NEW_PASSWORD)


def test_a_weak_password_does_not_use_the_code_up(service: Service) -> None:
    Person.at(service)
    code = sent(service)
    assert reset(service, code, password="weak-horse-2")[0] == 400
    assert reset(service, code) == (204, "")


def test_a_code_is_good_for_ten_minutes_to_the_second(service: Service) -> None:
    Person.at(service)
    code = sent(service)
    service.clock.advance(599.999)
    assert validate(service, code) == (204, "")
    service.clock.advance(0.001)
    assert validate(service, code) == INVALID
    assert reset(service, code) == INVALID


@pytest.mark.parametrize("guess", [validate, reset])
def test_five_wrong_tries_void_the_code(service: Service, guess: Callable[[Service, str], tuple[int, str]]) -> None:
    Person.at(service)
    code = sent(service)
    for _ in range(5):
        assert guess(service, wrong_code(code)) == INVALID
    assert validate(service, code) == INVALID
    assert reset(service, code) == INVALID


def test_wrong_tries_of_both_calls_are_one_count_that_a_new_code_keeps(service: Service) -> None:
    Person.at(service)
    code = sent(service)
    for guess in (validate, reset, validate, reset):
        assert guess(service, wrong_code(code)) == INVALID
    assert validate(service, code) == (204, "")
    service.clock.advance(60)
    code = sent(service)
    assert validate(service, wrong_code(code)) == INVALID
    assert reset(service, code) == INVALID
    service.clock.advance(60)
    assert reset(service, sent(service)) == (204, "")


def test_the_count_is_forgotten_after_a_days_rest(service: Service) -> None:
    Person.at(service)
    code = sent(service)
    for _ in range(5):
        validate(service, wrong_code(code))
    service.clock.advance(600 + 24 * 3600)
    code = sent(service)
    for _ in range(4):
        assert validate(service, wrong_code(code)) == INVALID
    assert reset(service, code) == (204, "")


def test_the_count_outlives_the_code_until_then(service: Service) -> None:
    Person.at(service)
    code = sent(service)
    for _ in range(4):
        validate(service, wrong_code(code))
    service.clock.advance(600 + 24 * 3600 - 1)
    code = sent(service)
    assert validate(service, wrong_code(code)) == INVALID
    assert validate(service, code) == INVALID


def test_only_the_newest_code_counts(service: Service) -> None:
    Person.at(service)
    older = sent(service)
    service.clock.advance(60)
    newer = sent(service)
    assert validate(service, older) == INVALID
    assert reset(service, newer) == (204, "")


def test_a_code_is_bound_to_its_address(service: Service) -> None:
    Person.at(service)
    Person.at(service, "bob@example.org")
    code = sent(service)
    assert reset(service, code, "bob@example.org") == INVALID
    assert reset(service, code, " ANN@Example.ORG ") == (204, "")


def test_a_username_gets_no_reset(service: Service) -> None:
    Person.at(service, username="x@example.org")
    assert post(service, SEND, email="x@example.org") == (204, "")
    assert notices(service, EMAIL) == notices(service, "x@example.org") == []


def test_the_mail_goes_to_the_accounts_own_spelling(service: Service) -> None:
    Person.at(service, "Ann@Example.org")
    assert post(service, SEND, email="ann@EXAMPLE.org") == (204, "")
    service.deliver()
    assert [mail.recipients for mail in service.smtp.mails] == [("Ann@example.org",)]


def test_a_disabled_user_is_mailed_nothing_and_resets_nothing(service: Service) -> None:
    Person.at(service)
    code = sent(service)
    accounts.disable(service.doorward.env, EMAIL)
    assert validate(service, code) == INVALID
    assert reset(service, code) == INVALID
    service.clock.advance(60)
    before = len(notices(service, EMAIL))
    assert post(service, SEND, email=EMAIL) == (204, "")
    assert len(notices(service, EMAIL)) == before


def test_an_unknown_address_is_answered_like_a_known_one(service: Service) -> None:
    Person.at(service)
    for path in (SEND, FORGOT):
        service.clock.advance(60)
        for _ in range(3):
            answers = [service.call("POST", path, json={"email": email}) for email in (EMAIL, NOBODY)]
            known, unknown = (
                (each.status_code, each.content, {n: v for n, v in each.headers.items() if n != "x-request-id"})
                for each in answers
            )
            assert known == unknown
            service.clock.advance(7)
    assert notices(service, NOBODY) == []


def test_wrong_tries_at_an_unknown_address_are_answered_alike(service: Service) -> None:
    Person.at(service)
    post(service, SEND, email=NOBODY)
    code = sent(service)
    for _ in range(7):
        for guess in (validate, reset):
            assert guess(service, wrong_code(code)) == guess(service, wrong_code(code), NOBODY) == INVALID


def test_a_reset_ends_every_session_and_no_other_users(service: Service) -> None:
    ann, bob = Person.at(service), Person.at(service, "bob@example.org")
    other = service.login()
    access = ann.access
    assert reset(service, sent(service)) == (204, "")
    for path, token in (
        ("/auth/accesstoken", ann.refresh),
        ("/auth/refreshtoken", other),
        ("/auth/refreshtoken/validate", other),
        ("/auth/accesstoken/validate", access),
        ("/user/2fa", access),
    ):
        assert refusal(ann.get(path, token)) == (401, "TOKEN_REVOKED"), path
    assert bob.access


def test_a_user_without_a_password_sets_one_by_a_reset(service: Service) -> None:
    service.add_user(password=None)
    assert reset(service, sent(service)) == (204, "")
    assert service.login(password=NEW_PASSWORD)


@pytest.mark.parametrize("code", ["12345", "1234567", ""])
def test_a_code_of_another_length_is_a_bad_body(service: Service, code: str) -> None:
    assert validate(service, code)[0] == 400
    assert reset(service, code)[0] == 400


@pytest.mark.parametrize("code", ["abcdef", "١٢٣٤٥٦", "\0\0\0\0\0\0", "      "])
def test_other_characters_than_digits_are_a_wrong_code(service: Service, code: str) -> None:
    assert validate(service, code) == INVALID
    assert reset(service, code) == INVALID


def test_one_mail_a_minute_for_both_doors_together(service: Service) -> None:
    Person.at(service)
    sent(service)
    service.clock.advance(0.5)
    newer = service.call("POST", SEND, json={"email": EMAIL})
    assert refusal(newer) == (429, "TOO_MANY_RESET_MAIL_ATTEMPTS")
    assert newer.json()["retryAfter"] == 60
    older = service.call("POST", FORGOT, json={"email": EMAIL})
    assert older.json() == {
        "statusCode": 429,
        "error": "Too many requests",
        "message": "Last password forgot call was too recent",
    }
    assert older.headers["retry-after"] == "60"
    service.clock.advance(59.5)
    assert post(service, FORGOT, email=EMAIL) == (204, "")


def test_the_older_door_mails_a_code_of_the_same_reset(service: Service) -> None:
    Person.at(service)
    assert post(service, FORGOT, email=EMAIL) == (204, "")
    assert reset(service, service.mailed_code(EMAIL)) == (204, "")


@pytest.mark.parametrize(
    "body", [{}, {"email": 1}, {"email": "nobody"}, {"email": "a@b"}, {"email": f"{'a' * 60}@{'b' * 40}.org"}]
)
def test_the_older_door_has_one_message_for_every_bad_body(service: Service, body: dict[str, object]) -> None:
    answer = service.call("POST", FORGOT, json=body)
    assert refusal(answer) == (400, "Missing or misformatted query parameter or body")


def test_an_invitation_lets_the_user_set_the_first_password(service: Service) -> None:
    accounts.invite(service.doorward.env, EMAIL, MailChoice())
    assert service.call("POST", "/auth/login", json={"username": EMAIL, "password": PASSWORD}).status_code == 401
    code = service.mailed_code(EMAIL)
    service.clock.advance(7 * 24 * 3600 - 1)
    assert reset(service, code) == (204, "")
    assert service.login(password=NEW_PASSWORD)


def test_an_invitation_ends_after_seven_days(service: Service) -> None:
    accounts.invite(service.doorward.env, EMAIL, MailChoice())
    code = service.mailed_code(EMAIL)
    service.clock.advance(7 * 24 * 3600)
    assert reset(service, code) == INVALID
    assert reset(service, sent(service)) == (204, "")


def test_a_deleted_users_codes_go_along(service: Service) -> None:
    person = Person.at(service)
    code = sent(service)
    person.enable_totp()
    accounts.delete(service.doorward.env, EMAIL)
    with service.doorward.env.db.read() as tx:
        assert tx.execute(sa.select(sa.func.count()).select_from(mailed_codes)).scalar() == 0
    assert Person.at(service).id != person.id
    assert reset(service, code) == INVALID
