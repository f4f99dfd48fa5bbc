"""A user at the service, with what such a person holds: tokens, an authenticator, recovery codes."""

from dataclasses import dataclass, field
from typing import Any, Self

import httpx
import pyotp

from tests.support.service import EMAIL, PASSWORD, Service

TOTP = "/user/2fa/totp"
EMAIL_OTP = "/user/2fa/email-otp"
RECOVERY = "/user/2fa/recovery-code"
OTP_ADDRESS = "codes@example.org"


def refusal(answer: httpx.Response) -> tuple[int, str]:
    """Status and message of an error, as tests name it."""
    return answer.status_code, answer.json()["message"]


def good(answer: httpx.Response) -> Any:
    """The body of a success."""
    assert answer.is_success, answer.text
    return answer.json() if answer.content else None


@dataclass
class Person:
    """Logged in with a password at first; each token is fetched anew when asked for, so that none runs out."""

    service: Service
    email: str = EMAIL
    password: str = PASSWORD
    id: int = 0
    refresh: str = ""
    recovery_codes: list[str] = field(default_factory=list)
    totp: pyotp.TOTP | None = None

    @classmethod
    def at(cls, service: Service, email: str = EMAIL, username: str | None = None) -> Self:
        person = cls(service, email, id=service.add_user(email, username=username))
        person.refresh = service.login(email)
        return person

    @property
    def access(self) -> str:
        return self.service.access(self.refresh)

    @property
    def partial(self) -> str:
        """What a login gives while a second factor is active."""
        return self.service.login(self.email, self.password)

    @property
    def authenticator(self) -> pyotp.TOTP:
        assert self.totp is not None
        return self.totp

    @property
    def sudo(self) -> str:
        """A sudo token, by a fresh code of the authenticator, or else by mail."""
        if self.totp is not None:
            return self.authenticated(self.access)["sudoToken"]
        self.service.clock.advance(60)
        good(self.post(f"{EMAIL_OTP}/challenge", self.access))
        code = self.service.mailed_code(OTP_ADDRESS)
        token: str = good(self.post(f"{EMAIL_OTP}/authenticate", self.access, otp=code))["sudoToken"]
        return token

    def sudo_by_recovery(self, number: int = 0) -> str:
        """A sudo token for one of the recovery codes."""
        token: str = good(self.guess_recovery_code(self.access, self.recovery_codes[number]))["sudoToken"]
        return token

    def post(self, path: str, token: str | None, **body: Any) -> httpx.Response:
        return self.service.call("POST", path, token, json=body)

    def put(self, path: str, token: str | None, **body: Any) -> httpx.Response:
        return self.service.call("PUT", path, token, json=body)

    def get(self, path: str, token: str | None) -> httpx.Response:
        return self.service.call("GET", path, token)

    def delete(self, path: str, token: str | None) -> httpx.Response:
        return self.service.call("DELETE", path, token)

    def set_totp_up(self, token: str) -> pyotp.TOTP:
        authenticator = pyotp.parse_uri(good(self.post(f"{TOTP}/setup", token))["url"])
        assert isinstance(authenticator, pyotp.TOTP)
        return authenticator

    def enable_totp(self, token: str | None = None) -> list[str]:
        """Set TOTP up and enable it; gives what the service answers, and keeps the codes if it is any."""
        authenticator = self.set_totp_up(token or self.access)
        code = self.service.totp_code(authenticator)
        codes: list[str] = good(self.post(f"{TOTP}/enable", self.access, totp=code))["recoveryCodes"]
        self.totp = authenticator
        self.recovery_codes = codes or self.recovery_codes
        return codes

    def enable_email_otp(self, token: str | None = None, address: str = OTP_ADDRESS) -> list[str]:
        good(self.post(f"{EMAIL_OTP}/setup", token or self.access, email=address))
        code = self.service.mailed_code(address)
        codes: list[str] = good(self.post(f"{EMAIL_OTP}/enable", self.access, otp=code))["recoveryCodes"]
        self.recovery_codes = codes or self.recovery_codes
        return codes

    def authenticated(self, token: str) -> dict[str, str]:
        """The tokens for a fresh code of the authenticator."""
        code = self.service.next_totp_code(self.authenticator)
        tokens: dict[str, str] = good(self.post(f"{TOTP}/authenticate", token, totp=code))
        return tokens

    def guess_totp(self, token: str, code: str | None = None) -> httpx.Response:
        """A wrong code, unless another is given."""
        return self.post(f"{TOTP}/authenticate", token, totp=code or self.wrong_totp())

    def wrong_totp(self) -> str:
        """A code that the authenticator shows at no time near."""
        now = self.service.clock.now_ms() // 1000
        near = {self.authenticator.at(now + 30 * step) for step in range(-2, 3)}
        return next(code for code in ("000000", "111111", "222222", "333333", "444444", "555555") if code not in near)

    def guess_recovery_code(self, token: str, code: str = "ZZZZZZZZZZZZZZZZ") -> httpx.Response:
        return self.post(f"{RECOVERY}/authenticate", token, recoveryCode=code)


def wrong_code(code: str) -> str:
    """Another code of the same length."""
    return f"{(int(code) + 1) % 10 ** len(code):0{len(code)}}"


def notices(service: Service, to: str) -> list[str]:
    """The subjects of all mails to the address so far, oldest first."""
    service.deliver()
    return [str(mail.message["Subject"]) for mail in service.smtp.mails if to in mail.recipients]
