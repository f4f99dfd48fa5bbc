"""Every message that the contract publishes can be produced, at an operation that documents it."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from doorward.core.tables import totp, users
from tests.support import contract
from tests.support.service import EMAIL, PASSWORD, Service
from tests.support.tokens import enable_email_otp, user_with_totp, user_without_2fa

WRONG_CODE = "ABCDEFGHJKMNPQRS"


def published() -> set[str]:
    """The `examples` of all errors."""
    return {
        message
        for operation in contract.OPERATIONS.values()
        for response in operation["responses"].values()
        for content in response.get("content", {}).values()
        for message in content["schema"].get("properties", {}).get("message", {}).get("examples", [])
    }


def documents(verb: str, path: str, status: int, message: str) -> bool:
    response = contract.OPERATIONS[verb, path]["responses"][str(status)]
    examples: list[str] = response["content"]["application/json"]["schema"]["properties"]["message"]["examples"]
    return message in examples


def access(service: Service) -> str:
    return user_without_2fa(service, EMAIL)["access"]


def repeat(service: Service, times: int, verb: str, path: str, token: str | None, **body: str) -> httpx.Response:
    """The last of so many answers, while time stands still."""
    for _ in range(times - 1):
        service.call(verb, path, token, json=body)
    return service.call(verb, path, token, json=body)


def missing_username(service: Service) -> httpx.Response:
    return service.call("POST", "/auth/login", json={"password": PASSWORD})


def password_incorrect(service: Service) -> httpx.Response:
    return service.call("POST", "/auth/login", json={"username": EMAIL, "password": PASSWORD})


def too_many_passwords(service: Service) -> httpx.Response:
    return repeat(service, 6, "POST", "/auth/login", None, username=EMAIL, password="wrong")


def no_password_info(service: Service) -> httpx.Response:
    """At old-password only: a login of such a user is 401 PASSWORD_INCORRECT, since a 500 would tell of the account."""
    token = access(service)
    with service.doorward.env.db.write() as tx:
        tx.execute(sa.update(users).values(password_hash=None))
    login = service.call("POST", "/auth/login", json={"username": EMAIL, "password": PASSWORD})
    assert (login.status_code, login.json()["message"]) == (401, "PASSWORD_INCORRECT")
    body = {"oldPassword": PASSWORD, "newPassword": "Another-Horse-2"}
    return service.call("PUT", "/user/password/old-password", token, json=body)


def token_too_long(service: Service) -> httpx.Response:
    return service.call("GET", "/auth/accesstoken", "a" * 4097)


def no_token(service: Service) -> httpx.Response:
    return service.call("GET", "/auth/accesstoken")


def bad_address(service: Service) -> httpx.Response:
    return service.call("POST", "/user/password/reset/send", json={"email": "ann"})


def forbidden_provider(service: Service) -> httpx.Response:
    return service.call("POST", "/user/password/reset/send", json={"email": "ann@mailinator.com"})


def forbidden_provider_at_the_older_door(service: Service) -> httpx.Response:
    return service.call("POST", "/v1/auth/forgot-password", json={"email": "ann@mailinator.com"})


def too_many_otp_emails(service: Service) -> httpx.Response:
    return repeat(service, 2, "POST", "/user/2fa/email-otp/setup", access(service), email="codes@example.org")


def too_many_reset_mails(service: Service) -> httpx.Response:
    return repeat(service, 2, "POST", "/user/password/reset/send", None, email=EMAIL)


def too_many_transfers(service: Service) -> httpx.Response:
    return repeat(service, 2, "POST", "/user/email/initiate", access(service), email="new@example.org")


def too_many_at_the_older_door(service: Service) -> httpx.Response:
    return repeat(service, 2, "POST", "/v1/auth/forgot-password", None, email=EMAIL)


def misformatted_at_the_older_door(service: Service) -> httpx.Response:
    return service.call("POST", "/v1/auth/forgot-password", json={})


def otp_invalid(service: Service) -> httpx.Response:
    return service.call("POST", "/user/password/reset/validate", json={"email": EMAIL, "otp": "000000"})


def email_otp_uninitialized(service: Service) -> httpx.Response:
    return service.call("POST", "/user/2fa/email-otp/challenge", access(service))


def email_otp_inactive(service: Service) -> httpx.Response:
    return service.call("POST", "/user/2fa/email-otp/authenticate", access(service), json={"otp": "000000"})


def email_otp_already_inactive(service: Service) -> httpx.Response:
    return service.call("DELETE", "/user/2fa/email-otp", user_with_totp(service, EMAIL).tokens["sudo"])


def totp_already_inactive(service: Service) -> httpx.Response:
    token = access(service)
    enable_email_otp(service, token, EMAIL)
    service.clock.advance(60)
    service.call("POST", "/user/2fa/email-otp/challenge", token)
    body = {"otp": service.mailed_code(EMAIL)}
    sudo = service.call("POST", "/user/2fa/email-otp/authenticate", token, json=body).json()["sudoToken"]
    return service.call("DELETE", "/user/2fa/totp", sudo)


def totp_uninitialized(service: Service) -> httpx.Response:
    return service.call("GET", "/user/2fa/totp/next-guess", access(service))


def totp_incorrect(service: Service) -> httpx.Response:
    token = user_with_totp(service, EMAIL).tokens["partial"]
    return service.call("POST", "/user/2fa/totp/authenticate", token, json={"totp": "wrong!"})


def too_many_totp_checks(service: Service) -> httpx.Response:
    token = user_with_totp(service, EMAIL).tokens["partial"]
    return repeat(service, 6, "POST", "/user/2fa/totp/authenticate", token, totp="wrong!")


def totp_corrupt(service: Service) -> httpx.Response:
    user = user_with_totp(service, EMAIL)
    with service.doorward.env.db.write() as tx:
        tx.execute(sa.update(totp).values(secret=b"\x01" + b"altered" * 10))
    code = service.next_totp_code(user.authenticator)
    return service.call("POST", "/user/2fa/totp/authenticate", user.tokens["partial"], json={"totp": code})


def two_fa_is_disabled(service: Service) -> httpx.Response:
    sudo = user_with_totp(service, EMAIL).tokens["sudo"]
    assert service.call("DELETE", "/user/2fa/totp", sudo).status_code == 204
    return service.call("POST", "/user/2fa/recovery-code/reset", sudo)


def recovery_code_incorrect(service: Service) -> httpx.Response:
    token = user_with_totp(service, EMAIL).tokens["partial"]
    return service.call("POST", "/user/2fa/recovery-code/authenticate", token, json={"recoveryCode": WRONG_CODE})


def too_many_recovery_codes(service: Service) -> httpx.Response:
    token = user_with_totp(service, EMAIL).tokens["partial"]
    return repeat(service, 6, "POST", "/user/2fa/recovery-code/authenticate", token, recoveryCode=WRONG_CODE)


def recovery_codes_uninitialized(service: Service) -> httpx.Response:
    return service.call("GET", "/user/2fa/recovery-code/next-guess", access(service))


def weak_password(service: Service) -> httpx.Response:
    body = {"oldPassword": PASSWORD, "newPassword": "no-capital-1"}
    return service.call("PUT", "/user/password/old-password", access(service), json=body)


def address_in_use(service: Service) -> httpx.Response:
    token = access(service)
    service.add_user("taken@example.org")
    sent = service.call("POST", "/user/email/initiate", token, json={"email": "taken@example.org"})
    assert sent.status_code == 204
    return service.call("PUT", "/user/email", token, json={"otp": service.mailed_code("taken@example.org")})


def no_template(service: Service) -> httpx.Response:
    return service.call("POST", "/user/password/reset/send", json={"email": EMAIL})


PROVOCATIONS: dict[str, Callable[[Service], httpx.Response]] = {
    "body must have required property 'username'": missing_username,
    "PASSWORD_INCORRECT": password_incorrect,
    "TOO_MANY_FAILED_PASSWORD_CHECKS": too_many_passwords,
    "NO_PASSWORD_INFO": no_password_info,
    "id_token is too long": token_too_long,
    "NO_TOKEN_PROVIDED": no_token,
    "Invalid email address": bad_address,
    "FORBIDDEN_MAIL_PROVIDER": forbidden_provider,
    "TOO_MANY_OTP_EMAILS": too_many_otp_emails,
    "UNABLE_TO_FIND_MAIL_TEMPLATE": no_template,
    "OTP_INVALID_EXPIRED": otp_invalid,
    "EMAIL_OTP_UNINITIALIZED": email_otp_uninitialized,
    "EMAIL_OTP_INACTIVE": email_otp_inactive,
    "EMAIL_OTP_ALREADY_INACTIVE": email_otp_already_inactive,
    "TOTP_INCORRECT": totp_incorrect,
    "TOTP_UNINITIALIZED": totp_uninitialized,
    "TOO_MANY_TOTP_CHECKS": too_many_totp_checks,
    "TOTP_CORRUPT": totp_corrupt,
    "TOTP_ALREADY_INACTIVE": totp_already_inactive,
    "2FA_IS_DISABLED": two_fa_is_disabled,
    "RECOVERY_CODE_INCORRECT": recovery_code_incorrect,
    "RECOVERY_CODES_UNINITIALIZED": recovery_codes_uninitialized,
    "TOO_MANY_RECOVERY_CODE_CHECKS": too_many_recovery_codes,
    "Password must contain at least one uppercase character": weak_password,
    "TOO_MANY_RESET_MAIL_ATTEMPTS": too_many_reset_mails,
    "TOO_MANY_TRANSFER_ATTEMPTS": too_many_transfers,
    "NEW_EMAIL_ALREADY_IN_USE": address_in_use,
    "Missing or misformatted query parameter or body": misformatted_at_the_older_door,
    "Forbidden email provider": forbidden_provider_at_the_older_door,
    "Last password forgot call was too recent": too_many_at_the_older_door,
}


def settings_for(message: str, folder: Path) -> dict[str, str]:
    """Brands without any template, where the message tells of that."""
    if message != "UNABLE_TO_FIND_MAIL_TEMPLATE":
        return {}
    templates = folder / "templates"
    templates.mkdir()
    (templates / "en.toml").touch()
    brands = folder / "brands.toml"
    brands.write_text('[default]\ntemplates = "templates"\ntemplates_only = true\n')
    return {"brands_file": str(brands)}


def test_there_is_a_way_to_provoke_every_published_message() -> None:
    assert set(PROVOCATIONS) == published()


@pytest.mark.parametrize("message", PROVOCATIONS)
def test_a_published_message_is_given_where_it_is_documented(
    start: Callable[..., Service], tmp_path: Path, message: str
) -> None:
    answer = PROVOCATIONS[message](start(**settings_for(message, tmp_path)))
    request = answer.request
    assert answer.json()["message"] == message
    assert documents(request.method, request.url.path, answer.status_code, message)
