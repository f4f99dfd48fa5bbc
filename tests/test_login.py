"""Logging in with a password, and with a second factor."""

from tests.support.service import EMAIL, PASSWORD, Service


def test_a_right_password_gives_a_refresh_token_as_bare_text(service: Service) -> None:
    service.add_user()
    answer = service.call("POST", "/auth/login", json={"username": EMAIL, "password": PASSWORD})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain"
    assert answer.headers["x-token-use"] == "refresh"
    assert answer.text.count(".") == 2
    assert answer.text == answer.text.strip().strip('"')


def test_a_user_with_totp_gets_a_partial_token_and_a_session_only_by_a_code(service: Service) -> None:
    service.add_user()
    authenticator, codes = service.enable_totp(service.access(service.login()))
    assert len(codes) == 10
    partial = service.login()
    refused = service.call("GET", "/auth/accesstoken", partial)
    assert (refused.status_code, refused.json()["message"]) == (401, "2FA_REQUIRED_PARTIAL_TOKEN")
    code = service.next_totp_code(authenticator)
    done = service.call("POST", "/user/2fa/totp/authenticate", partial, json={"totp": code})
    assert set(done.json()) == {"accessToken", "refreshToken", "sudoToken"}
    again = service.call("POST", "/user/2fa/totp/authenticate", partial, json={"totp": code})
    assert again.status_code == 401


def test_a_reset_by_mail_sets_a_new_password(service: Service) -> None:
    service.add_user()
    refresh = service.login()
    assert service.call("POST", "/user/password/reset/send", json={"email": EMAIL}).status_code == 204
    reset = {"userEmail": EMAIL, "otp": service.mailed_code(EMAIL), "newPassword": "Another-Horse-2"}
    assert service.call("PUT", "/user/password/otp", json=reset).status_code == 204
    assert service.call("PUT", "/user/password/otp", json=reset).status_code == 401
    assert service.call("GET", "/auth/accesstoken", refresh).json()["message"] == "TOKEN_REVOKED"
    assert service.login(password="Another-Horse-2")
