"""A walk through all 28 operations. `Service.call` holds every answer against the contract as it comes."""

from typing import Any

from doorward.http.api import OPERATIONS
from tests.support import contract
from tests.support.service import EMAIL, PASSWORD, Service
from tests.support.tokens import user_with_totp

NEW_PASSWORD = "Another-Horse-2"
EXAMPLES: dict[str, Any] = {
    "username": EMAIL,
    "password": PASSWORD,
    "email": EMAIL,
    "userEmail": EMAIL,
    "otp": "000000",
    "totp": "000000",
    "recoveryCode": "ABCDEFGHJKMNPQRS",
    "oldPassword": PASSWORD,
    "newPassword": NEW_PASSWORD,
}


def fields_of(verb: str, path: str) -> list[str]:
    body = contract.OPERATIONS[verb, path].get("requestBody")
    required: list[str] = body["content"]["application/json"]["schema"]["required"] if body else []
    return required


class Walk:
    """Calls operations and remembers which of them were answered with success."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.done: set[tuple[str, str]] = set()

    def __call__(self, verb: str, path: str, token: str | None = None, **body: str) -> Any:
        answer = self.service.call(verb, path, token, **({"json": body} if body else {}))
        assert answer.status_code in {200, 204}, answer.text
        self.done.add((verb, path))
        if answer.status_code == 204:
            return None
        return answer.text if answer.headers["content-type"] == "text/plain" else answer.json()


def test_every_operation_succeeds_in_the_way_the_contract_says(service: Service) -> None:
    walk = Walk(service)
    user_id = service.add_user()
    refresh = walk("POST", "/auth/login", username=EMAIL, password=PASSWORD)
    refresh = walk("GET", "/auth/refreshtoken", refresh)
    access = walk("GET", "/auth/accesstoken", refresh)
    assert walk("GET", "/auth/accesstoken/validate", access) == {"userId": user_id}
    assert walk("GET", "/auth/refreshtoken/validate", refresh) == {"userId": user_id}
    assert walk("GET", "/user/2fa", access) == {"enabled": False}

    url = walk("POST", "/user/2fa/totp/setup", access)["url"]
    assert url.startswith("otpauth://totp/Doorward:ann%40example.org?issuer=Doorward&secret=")
    authenticator, codes = service.enable_totp(access)
    walk.done.add(("POST", "/user/2fa/totp/enable"))
    assert len(codes) == 10
    assert walk("GET", "/user/2fa/totp/next-guess", access) == {"duration": 0}
    step_up = walk("POST", "/user/2fa/totp/authenticate", access, totp=service.next_totp_code(authenticator))
    assert set(step_up) == {"sudoToken"}
    sudo = step_up["sudoToken"]

    walk("POST", "/user/2fa/email-otp/setup", sudo, email="ann.codes@example.org")
    assert walk("GET", "/user/2fa/email-otp/next-email", access)["duration"] == 60
    otp = service.mailed_code("ann.codes@example.org")
    assert walk("POST", "/user/2fa/email-otp/enable", access, otp=otp) == {"recoveryCodes": []}
    service.clock.advance(60)
    partial = walk("POST", "/auth/login", username=EMAIL, password=PASSWORD)
    walk("POST", "/user/2fa/email-otp/challenge", partial)
    otp = service.mailed_code("ann.codes@example.org")
    tokens = walk("POST", "/user/2fa/email-otp/authenticate", partial, otp=otp)
    assert set(tokens) == {"accessToken", "refreshToken", "sudoToken"}
    access, sudo = tokens["accessToken"], tokens["sudoToken"]
    assert set(walk("GET", "/user/2fa", access)) == {"enabled", "totp", "emailOtp", "recoveryCodes"}

    codes = walk("POST", "/user/2fa/recovery-code/reset", sudo)["recoveryCodes"]
    assert walk("GET", "/user/2fa/recovery-code/next-guess", access) == {"duration": 0}
    assert set(walk("POST", "/user/2fa/recovery-code/authenticate", access, recoveryCode=codes[0])) == {"sudoToken"}
    walk("DELETE", "/user/2fa/totp", sudo)
    walk("DELETE", "/user/2fa/email-otp", sudo)
    assert walk("GET", "/user/2fa", access) == {"enabled": False}

    walk("PUT", "/user/password/old-password", access, oldPassword=PASSWORD, newPassword=NEW_PASSWORD)
    walk("POST", "/user/email/initiate", access, email="anna@example.org")
    walk("PUT", "/user/email", access, otp=service.mailed_code("anna@example.org"))
    walk("POST", "/user/password/reset/send", email="anna@example.org")
    otp = service.mailed_code("anna@example.org")
    walk("POST", "/user/password/reset/validate", email="anna@example.org", otp=otp)
    walk("PUT", "/user/password/otp", userEmail="anna@example.org", otp=otp, newPassword="Third-Horse-3")
    service.clock.advance(60)
    walk("POST", "/v1/auth/forgot-password", email="anna@example.org")
    walk("POST", "/auth/logout", service.login("anna@example.org", "Third-Horse-3"))
    assert walk.done == set(contract.OPERATIONS)


def test_every_required_field_is_named_when_it_is_missing(service: Service) -> None:
    user = user_with_totp(service, EMAIL)
    for operation in OPERATIONS:
        token = next((user.tokens[use] for use in ("sudo", "access", "refresh") if use in operation.tokens), None)
        required = fields_of(operation.verb, operation.path)
        for missing in required:
            body = {name: EXAMPLES[name] for name in required if name != missing}
            answer = service.call(operation.verb, operation.path, token, json=body)
            expected = operation.bad_input or f"body must have required property '{missing}'"
            assert (answer.status_code, answer.json()["message"]) == (400, expected), operation.path


def test_a_field_of_another_type_is_a_bad_body_for_every_operation(service: Service) -> None:
    user = user_with_totp(service, EMAIL)
    values: list[Any] = [None, 7, 1.5, True, [], {}, ["a"]]
    for operation in OPERATIONS:
        token = next((user.tokens[use] for use in ("sudo", "access", "refresh") if use in operation.tokens), None)
        required = fields_of(operation.verb, operation.path)
        for name in required:
            for value in values:
                body = {each: EXAMPLES[each] for each in required} | {name: value}
                answer = service.call(operation.verb, operation.path, token, json=body)
                expected = operation.bad_input or f"body/{name} must be string"
                assert (answer.status_code, answer.json()["message"]) == (400, expected), operation.path


def test_a_code_of_another_length_is_a_bad_body_and_of_other_characters_a_wrong_code(service: Service) -> None:
    user = user_with_totp(service, EMAIL)
    access = user.tokens["access"]
    for code, fault in {"": "fewer", "12345": "fewer", "1234567": "more", "１２３４５６７": "more"}.items():
        answer = service.call("POST", "/user/2fa/totp/authenticate", access, json={"totp": code})
        assert (answer.status_code, answer.json()["message"]) == (
            400,
            f"body/totp must NOT have {fault} than 6 characters",
        )
    for code in ("abcdef", "      ", "12 345", "１２３４５６", "\0\0\0\0\0\0", "é😀é😀é😀"):
        service.clock.advance(3600)
        fresh = service.access(user.tokens["refresh"])
        answer = service.call("POST", "/user/2fa/totp/authenticate", fresh, json={"totp": code})
        assert (answer.status_code, answer.json()["message"]) == (401, "TOTP_INCORRECT")
        answer = service.call("POST", "/user/password/reset/validate", json={"email": EMAIL, "otp": code})
        assert (answer.status_code, answer.json()["message"]) == (401, "OTP_INVALID_EXPIRED")


def test_unknown_fields_and_parameters_are_ignored(service: Service) -> None:
    service.add_user()
    body = {"username": EMAIL, "password": PASSWORD, "remember": {"me": [None, 1e5, "x"]}, "": 1}
    assert service.call("POST", "/auth/login?utm=1&utm=2&%ff=%00&", json=body).status_code == 200


def test_a_parameter_outside_the_schema_is_a_bad_request(service: Service) -> None:
    service.add_user()
    for query in ("cookie=maybe", "cookie=", "cookie=TRUE", "cookie=true&cookie=false"):
        answer = service.call("POST", f"/auth/login?{query}", json={"username": EMAIL, "password": PASSWORD})
        assert answer.status_code == 400, query
    for query in ("language=eng", "language=e", "language=", f"origin={'o' * 257}", "origin=a&origin=b"):
        answer = service.call("POST", f"/user/password/reset/send?{query}", json={"email": EMAIL})
        assert answer.status_code == 400, query
    for query in ("language=zz", f"origin={'o' * 256}", "origin=", "origin=%00%ff", "language=%C3%A9%C3%A9"):
        service.clock.advance(60)
        answer = service.call("POST", f"/user/password/reset/send?{query}", json={"email": EMAIL})
        assert answer.status_code == 204, query
        service.deliver()


def test_every_published_word_for_yes_and_no_is_understood(service: Service) -> None:
    service.add_user()
    refresh = service.login()
    for word in ("true", "t", "yes", "y", "1", "on"):
        assert "set-cookie" in service.call("GET", f"/auth/accesstoken?cookie={word}", refresh).headers
    for word in ("false", "f", "no", "n", "0", "off"):
        assert "set-cookie" not in service.call("GET", f"/auth/accesstoken?cookie={word}", refresh).headers


def test_the_length_of_a_recovery_code_is_counted_without_separators_and_before_capitals(service: Service) -> None:
    user = user_with_totp(service, EMAIL)
    path, access = "/user/2fa/recovery-code/authenticate", user.tokens["access"]
    for code, status in {"a" * 15 + "\u00df": 401, "a" * 15: 400, "-" * 16: 400, "a-" * 16: 401, "a" * 17: 400}.items():
        assert service.call("POST", path, access, json={"recoveryCode": code}).status_code == status, code
    typed = "-".join(user.recovery_codes[0].lower()[at : at + 4] for at in range(0, 16, 4))
    assert service.call("POST", path, access, json={"recoveryCode": f" {typed} "}).status_code == 200
