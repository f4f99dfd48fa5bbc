"""Users with a token of each kind, got as any client gets them."""

from dataclasses import dataclass

import pyotp

from tests.support.service import PASSWORD, Service


@dataclass
class TwoFactorUser:
    """A user with TOTP: `tokens` has a refresh, an access and a sudo token of one session, and a fresh partial one."""

    id: int
    email: str
    authenticator: pyotp.TOTP
    recovery_codes: list[str]
    tokens: dict[str, str]


def user_without_2fa(service: Service, email: str) -> dict[str, str]:
    """Add the user and give a refresh and an access token."""
    service.add_user(email)
    refresh = service.login(email)
    return {"refresh": refresh, "access": service.access(refresh)}


def user_with_totp(service: Service, email: str) -> TwoFactorUser:
    user_id = service.add_user(email)
    authenticator, codes = service.enable_totp(service.access(service.login(email)))
    code = service.next_totp_code(authenticator)
    granted = service.call("POST", "/user/2fa/totp/authenticate", service.login(email), json={"totp": code}).json()
    tokens = {use: granted[f"{use}Token"] for use in ("refresh", "access", "sudo")}
    return TwoFactorUser(user_id, email, authenticator, codes, tokens | {"partial": service.login(email)})


def enable_email_otp(service: Service, access: str, address: str) -> list[str]:
    """Set email OTP up; gives the recovery codes."""
    setup = service.call("POST", "/user/2fa/email-otp/setup", access, json={"email": address})
    assert setup.status_code == 204, setup.text
    otp = service.mailed_code(address)
    enabled = service.call("POST", "/user/2fa/email-otp/enable", access, json={"otp": otp})
    assert enabled.status_code == 200, enabled.text
    codes: list[str] = enabled.json()["recoveryCodes"]
    return codes


def claims_of(token: str) -> dict[str, object]:
    """The claims, unverified."""
    import jwt  # noqa: PLC0415 -- only some tests look inside

    return dict(jwt.decode(token, options={"verify_signature": False}))


__all__ = ["PASSWORD", "TwoFactorUser", "claims_of", "enable_email_otp", "user_with_totp", "user_without_2fa"]
