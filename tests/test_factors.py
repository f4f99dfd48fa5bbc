"""Second factors together: who may do what with which token, and what the user is told."""

import functools
from collections.abc import Callable

import pytest

from doorward.accounts import flows as accounts
from doorward.core.client import Client
from doorward.core.errors import Refused
from doorward.signin.second_factor import by_totp
from tests.support.person import EMAIL_OTP, OTP_ADDRESS, RECOVERY, TOTP, Person, good, notices, refusal
from tests.support.service import EMAIL, PASSWORD, Service

NEW_PASSWORD = "Another-Horse-2"
SUDO_OR_ACCESS = [
    ("POST", f"{EMAIL_OTP}/setup", {"email": "new@example.org"}),
    ("POST", f"{TOTP}/setup", {}),
    ("PUT", "/user/password/old-password", {"oldPassword": PASSWORD, "newPassword": NEW_PASSWORD}),
    ("POST", "/user/email/initiate", {"email": "moved@example.org"}),
]
SUDO_ONLY: list[tuple[str, str, dict[str, str] | None]] = [
    ("DELETE", TOTP, None),
    ("DELETE", EMAIL_OTP, None),
    ("POST", f"{RECOVERY}/reset", {}),
]
ACCESS_ONLY = [
    ("POST", f"{TOTP}/enable", {"totp": "123456"}),
    ("POST", f"{EMAIL_OTP}/enable", {"otp": "123456"}),
    ("PUT", "/user/email", {"otp": "123456"}),
    ("GET", "/auth/accesstoken/validate", None),
]
REFRESH_ONLY = [
    ("POST", "/auth/logout", None),
    ("GET", "/auth/accesstoken", None),
    ("GET", "/auth/refreshtoken", None),
    ("GET", "/auth/refreshtoken/validate", None),
]
WITH_PARTIAL = [
    ("GET", "/user/2fa", None),
    ("POST", f"{EMAIL_OTP}/challenge", {}),
    ("POST", f"{EMAIL_OTP}/authenticate", {"otp": "12345x"}),
    ("GET", f"{EMAIL_OTP}/next-email", None),
    ("POST", f"{TOTP}/authenticate", {"totp": "12345x"}),
    ("GET", f"{TOTP}/next-guess", None),
    ("POST", f"{RECOVERY}/authenticate", {"recoveryCode": "Z" * 16}),
    ("GET", f"{RECOVERY}/next-guess", None),
]
TOKEN_ERRORS = {"TOKEN_REVOKED", "WRONG_TOKEN_TYPE", "2FA_REQUIRED_PARTIAL_TOKEN", "SUDO_TOKEN_REQUIRED"}
Call = tuple[str, str, dict[str, str] | None]


def made(service: Service, call: Call, token: str) -> tuple[int, str]:
    verb, path, body = call
    answer = service.call(verb, path, token, **({} if body is None else {"json": body}))
    return (answer.status_code, "") if answer.is_success else refusal(answer)


def with_totp(service: Service) -> Person:
    person = Person.at(service)
    person.enable_totp()
    return person


def with_both(service: Service) -> Person:
    person = with_totp(service)
    person.enable_email_otp(person.sudo)
    service.clock.advance(60)
    return person


# Step-up


@pytest.mark.parametrize("call", SUDO_OR_ACCESS, ids=lambda call: call[1])
def test_an_access_token_serves_a_sensitive_change_only_without_a_second_factor(service: Service, call: Call) -> None:
    plain = Person.at(service, "plain@example.org")
    assert made(service, call, plain.access)[0] in {200, 204}
    person = with_totp(service)
    assert made(service, call, person.access) == (401, "SUDO_TOKEN_REQUIRED")
    service.clock.advance(60)
    assert made(service, call, person.sudo)[0] in {200, 204}


@pytest.mark.parametrize("call", SUDO_OR_ACCESS, ids=lambda call: call[1])
def test_a_sudo_token_goes_on_serving_when_the_second_factor_is_gone(service: Service, call: Call) -> None:
    person = with_totp(service)
    sudo = person.sudo
    assert person.delete(TOTP, sudo).status_code == 204
    assert made(service, call, sudo)[0] in {200, 204}
    assert made(service, SUDO_OR_ACCESS[1], person.access)[0] == 200


def test_a_sudo_only_operation_takes_nothing_else(service: Service) -> None:
    person = with_both(service)
    for call in SUDO_ONLY:
        for token in (person.access, person.refresh):
            assert made(service, call, token) == (401, "WRONG_TOKEN_TYPE")
        assert made(service, call, person.partial) == (401, "2FA_REQUIRED_PARTIAL_TOKEN")
    for call in (SUDO_ONLY[2], *SUDO_ONLY[:2]):
        assert made(service, call, person.sudo)[0] in {200, 204}
        person.totp = None if call[1] == TOTP else person.totp
        service.clock.advance(60)


def test_a_sudo_only_operation_refuses_an_access_token_without_a_second_factor_too(service: Service) -> None:
    access = Person.at(service).access
    for call in SUDO_ONLY:
        assert made(service, call, access) == (401, "WRONG_TOKEN_TYPE"), call


def test_an_operation_for_access_tokens_takes_no_sudo_or_refresh_token(service: Service) -> None:
    person = with_totp(service)
    for call in ACCESS_ONLY:
        for token in (person.sudo, person.refresh):
            assert made(service, call, token) == (401, "WRONG_TOKEN_TYPE"), call
        assert made(service, call, person.partial) == (401, "2FA_REQUIRED_PARTIAL_TOKEN"), call
        assert made(service, call, person.access)[1] not in TOKEN_ERRORS, call


def test_a_sudo_token_is_good_for_five_minutes_and_ends_with_its_session(service: Service) -> None:
    person = with_totp(service)
    sudo = person.sudo
    service.clock.advance(299)
    good(person.post(f"{TOTP}/setup", sudo))
    service.clock.advance(1)
    assert refusal(person.post(f"{TOTP}/setup", sudo)) == (401, "TOKEN_EXPIRED")
    sudo = person.sudo
    assert service.call("POST", "/auth/logout", person.refresh).status_code == 204
    assert refusal(person.post(f"{TOTP}/setup", sudo)) == (401, "TOKEN_REVOKED")


def test_email_otp_alone_asks_for_step_up_too(service: Service) -> None:
    person = Person.at(service)
    person.enable_email_otp()
    assert refusal(person.post(f"{TOTP}/setup", person.access)) == (401, "SUDO_TOKEN_REQUIRED")
    assert person.post(f"{TOTP}/setup", person.sudo_by_recovery()).status_code == 200


# Partial tokens


def test_a_partial_token_is_good_for_nothing_else(service: Service) -> None:
    partial = with_both(service).partial
    for call in (*SUDO_OR_ACCESS, *SUDO_ONLY, *ACCESS_ONLY, *REFRESH_ONLY):
        assert made(service, call, partial) == (401, "2FA_REQUIRED_PARTIAL_TOKEN"), call


def test_a_partial_token_and_an_access_token_serve_the_second_step(service: Service) -> None:
    person = with_both(service)
    for call in WITH_PARTIAL:
        for token in (person.sudo, person.refresh):
            assert made(service, call, token) == (401, "WRONG_TOKEN_TYPE"), call
        for token in (person.partial, person.access):
            assert made(service, call, token)[1] not in TOKEN_ERRORS, call
            service.clock.advance(60)


def test_a_partial_token_gives_at_most_one_session(service: Service) -> None:
    person = with_both(service)
    partial = person.partial
    tokens = person.authenticated(partial)
    code = service.next_totp_code(person.authenticator)
    assert refusal(person.guess_totp(partial, code)) == (401, "TOKEN_REVOKED")
    assert refusal(person.guess_recovery_code(partial, person.recovery_codes[0])) == (401, "TOKEN_REVOKED")
    assert refusal(person.post(f"{EMAIL_OTP}/challenge", partial)) == (401, "TOKEN_REVOKED")
    assert person.guess_totp(tokens["accessToken"], code).status_code == 200
    assert person.guess_recovery_code(person.access, person.recovery_codes[0]).status_code == 200


def test_a_partial_token_is_spent_when_its_session_is_over(service: Service) -> None:
    person = with_totp(service)
    partial = person.partial
    tokens = person.authenticated(partial)
    assert service.call("POST", "/auth/logout", tokens["refreshToken"]).status_code == 204
    code = service.next_totp_code(person.authenticator)
    assert refusal(person.guess_totp(partial, code)) == (401, "TOKEN_REVOKED")


def test_a_partial_token_is_good_for_five_minutes(service: Service) -> None:
    person = with_totp(service)
    partial = person.partial
    service.clock.advance(299)
    good(person.get("/user/2fa", partial))
    service.clock.advance(1)
    assert refusal(person.get("/user/2fa", partial)) == (401, "TOKEN_EXPIRED")


def test_a_second_step_is_judged_again_by_what_came_between(service: Service) -> None:
    """The gate has let the partial token in, and then the password changes or the user is disabled."""
    person = with_totp(service)
    env = service.doorward.env
    for change in (functools.partial(accounts.set_password, password=NEW_PASSWORD), accounts.disable):
        let_in = env.tokens.read(person.partial)
        change(env, EMAIL)
        with pytest.raises(Refused, match="TOKEN_REVOKED"):
            by_totp(env, let_in, service.next_totp_code(person.authenticator), Client("192.0.2.1"))
        person.password = NEW_PASSWORD


def test_wrong_guesses_leave_a_partial_token_good(service: Service) -> None:
    person = with_totp(service)
    partial = person.partial
    for _ in range(4):
        assert refusal(person.guess_totp(partial)) == (401, "TOTP_INCORRECT")
    assert person.authenticated(partial)


def change_password(person: Person) -> None:
    good(person.put("/user/password/old-password", person.sudo, oldPassword=PASSWORD, newPassword=NEW_PASSWORD))


def reset_password(person: Person) -> None:
    good(person.post("/user/password/reset/send", None, email=EMAIL))
    code = person.service.mailed_code(EMAIL)
    good(person.put("/user/password/otp", None, userEmail=EMAIL, otp=code, newPassword=NEW_PASSWORD))


def set_password(person: Person) -> None:
    accounts.set_password(person.service.doorward.env, EMAIL, NEW_PASSWORD)


def disable(person: Person) -> None:
    accounts.disable(person.service.doorward.env, EMAIL)


def disable_and_enable(person: Person) -> None:
    accounts.disable(person.service.doorward.env, EMAIL)
    accounts.enable(person.service.doorward.env, EMAIL)


def delete(person: Person) -> None:
    accounts.delete(person.service.doorward.env, EMAIL)


@pytest.mark.parametrize("event", [change_password, reset_password, set_password, disable, disable_and_enable, delete])
def test_a_login_begun_before_cannot_be_finished_after(service: Service, event: Callable[[Person], None]) -> None:
    person = with_totp(service)
    service.clock.advance(300)
    partial = person.partial
    code = person.authenticator.at(service.clock.now_ms() // 1000 + 60)
    event(person)
    service.clock.advance(30)
    assert refusal(person.guess_totp(partial, code)) == (401, "TOKEN_REVOKED")
    assert refusal(person.guess_recovery_code(partial, person.recovery_codes[0])) == (401, "TOKEN_REVOKED")
    assert refusal(person.get("/user/2fa", partial)) == (401, "TOKEN_REVOKED")


@pytest.mark.parametrize("event", [reset_password, set_password])
def test_a_new_password_is_no_way_round_the_second_factor(service: Service, event: Callable[[Person], None]) -> None:
    person = with_both(service)
    event(person)
    person.password = NEW_PASSWORD
    answer = service.call("POST", "/auth/login", json={"username": EMAIL, "password": NEW_PASSWORD})
    assert answer.headers["x-token-use"] == "partial"
    assert refusal(service.call("GET", "/auth/accesstoken", answer.text)) == (401, "2FA_REQUIRED_PARTIAL_TOKEN")
    tokens = person.authenticated(answer.text)
    overview = good(person.get("/user/2fa", tokens["accessToken"]))
    assert set(overview) == {"enabled", "emailOtp", "totp", "recoveryCodes"}


def test_a_password_change_leaves_the_second_factors(service: Service) -> None:
    person = with_both(service)
    change_password(person)
    person.password = NEW_PASSWORD
    assert person.authenticated(person.partial)
    assert set(good(person.get("/user/2fa", person.access))) == {"enabled", "emailOtp", "totp", "recoveryCodes"}


def test_an_administrators_reset_of_the_factors_makes_the_password_enough(service: Service) -> None:
    person = with_both(service)
    partial = person.partial
    accounts.reset_2fa(service.doorward.env, EMAIL)
    answer = service.call("POST", "/auth/login", json={"username": EMAIL, "password": PASSWORD})
    assert answer.headers["x-token-use"] == "refresh"
    code = service.next_totp_code(person.authenticator)
    assert refusal(person.guess_totp(partial, code)) == (409, "TOTP_UNINITIALIZED")


# Overview


def test_the_overview_holds_a_key_for_each_active_method_only(service: Service) -> None:
    person = Person.at(service)
    assert good(person.get("/user/2fa", person.access)) == {"enabled": False}
    service.clock.advance(1.5)
    person.enable_totp()
    at = "2026-01-01T00:00:01.500Z"
    assert good(person.get("/user/2fa", person.access)) == {
        "enabled": True,
        "totp": {"completedAt": at},
        "recoveryCodes": {"completedAt": at},
    }
    assert good(person.get("/user/2fa", person.partial)) == good(person.get("/user/2fa", person.access))
    person.enable_email_otp(person.sudo)
    assert good(person.get("/user/2fa", person.access))["emailOtp"]["email"] == OTP_ADDRESS


# Notices


def test_each_change_of_a_factor_is_told_to_the_users_address(service: Service) -> None:
    person = Person.at(service)
    brand = "auth.example.org"
    person.enable_totp()
    person.enable_email_otp(person.sudo)
    good(person.post(f"{RECOVERY}/reset", person.sudo))
    assert person.delete(TOTP, person.sudo).status_code == 204
    person.totp = None
    assert person.delete(EMAIL_OTP, person.sudo).status_code == 204
    assert notices(service, EMAIL) == [
        f"Authenticator app added to your {brand} account",
        f"Email codes turned on for your {brand} account",
        f"New recovery codes for your {brand} account",
        f"Authenticator app removed from your {brand} account",
        f"Email codes turned off for your {brand} account",
        f"Two-step sign-in turned off for your {brand} account",
    ]


def test_a_used_recovery_code_is_told_with_how_many_are_left(service: Service) -> None:
    person = with_totp(service)
    person.sudo_by_recovery()
    assert notices(service, EMAIL)[-1] == "A recovery code was used for your auth.example.org account"
    body = service.smtp.messages[-1].get_body(("plain",))
    assert body is not None
    assert "9 recovery codes left" in body.get_content()


def test_wrong_guesses_and_refused_changes_are_not_told(service: Service) -> None:
    person = with_totp(service)
    before = notices(service, EMAIL)
    person.guess_totp(person.access)
    person.guess_recovery_code(person.access)
    person.delete(EMAIL_OTP, person.sudo)
    person.post(f"{RECOVERY}/reset", person.access)
    assert notices(service, EMAIL) == before


def test_each_change_of_the_password_is_told(service: Service) -> None:
    person = Person.at(service)
    old = {"oldPassword": PASSWORD, "newPassword": NEW_PASSWORD}
    good(person.put("/user/password/old-password", person.access, **old))
    reset_password(person)
    assert notices(service, EMAIL) == [
        "Your auth.example.org password has been changed",
        "Reset your auth.example.org password",
        "Your auth.example.org password has been reset",
    ]


@pytest.mark.parametrize("event", [set_password, lambda person: accounts.reset_2fa(person.service.doorward.env, EMAIL)])
def test_what_an_administrator_changes_is_told_too(service: Service, event: Callable[[Person], None]) -> None:
    person = with_totp(service)
    before = len(notices(service, EMAIL))
    event(person)
    assert len(notices(service, EMAIL)) > before
