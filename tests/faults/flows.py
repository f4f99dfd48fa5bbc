"""What a person does, one request each: how it is made ready, the request, and what holds once it was done."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.support.person import EMAIL_OTP, RECOVERY, TOTP, Person, good, refusal, wrong_code
from tests.support.service import PASSWORD, Service

NEW_PASSWORD = "Another-Horse-2"
MINUTE_S = 60


@dataclass(frozen=True)
class Request:
    """One call over HTTP."""

    verb: str
    path: str
    token: str | None = None
    body: Mapping[str, Any] | None = None

    def at(self, service: Service) -> httpx.Response:
        options = {} if self.body is None else {"json": dict(self.body)}
        return service.call(self.verb, self.path, self.token, **options)


@dataclass
class Ready:
    """The request, and what is checked by public calls once it was done, whether or not its answer came."""

    person: Person
    request: Request
    holds: Callable[[], object]


@dataclass(frozen=True)
class Flow:
    """`status`: what the request is answered. `once`: no more than once. `soon`: what was done holds for minutes.

    `mails`: what was done is mailed. `settings`: what the service runs with.
    """

    name: str
    make_ready: Callable[[Person], Ready]
    status: int = 200
    mails: bool = False
    once: bool = False
    soon: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


def _password(person: Person, password: str) -> dict[str, str]:
    return {"username": person.email, "password": password}


def _logs_in(person: Person, password: str = PASSWORD, *, use: str = "refresh") -> str:
    """The token of a login, which is of this use."""
    answer = person.service.call("POST", "/auth/login", json=_password(person, password))
    assert (answer.status_code, answer.headers.get("X-Token-Use")) == (200, use), answer.text
    return answer.text


def _lives(person: Person, refresh: str) -> bool:
    answer = person.get("/auth/refreshtoken/validate", refresh)
    return answer.status_code == 200


def login(person: Person) -> Ready:
    return Ready(person, Request("POST", "/auth/login", None, _password(person, PASSWORD)), lambda: _logs_in(person))


def login_wrong(person: Person) -> Ready:
    return Ready(person, Request("POST", "/auth/login", None, _password(person, "Wrong-1-x")), lambda: _logs_in(person))


def login_first_step(person: Person) -> Ready:
    person.enable_totp()
    request = Request("POST", "/auth/login", None, _password(person, PASSWORD))
    return Ready(person, request, lambda: _second_factor_holds(person))


def _second_factor_holds(person: Person) -> None:
    """A login ends with the second factor and not before."""
    partial = _logs_in(person, use="partial")
    for verb, path in (("GET", "/auth/accesstoken"), ("GET", "/auth/refreshtoken"), ("DELETE", TOTP)):
        assert refusal(person.service.call(verb, path, partial)) == (401, "2FA_REQUIRED_PARTIAL_TOKEN")
    assert set(person.authenticated(partial)) == {"accessToken", "refreshToken", "sudoToken"}


def second_step_totp(person: Person) -> Ready:
    person.enable_totp()
    partial = person.partial
    code = person.service.next_totp_code(person.authenticator)

    def holds() -> None:
        # The code was good once, and so was the partial token.
        assert person.guess_totp(partial, code).status_code == 401
        assert person.guess_totp(person.partial, code).status_code == 401
        _second_factor_holds(person)

    return Ready(person, Request("POST", f"{TOTP}/authenticate", partial, {"totp": code}), holds)


def second_step_email(person: Person) -> Ready:
    address = f"codes-{person.email}"
    person.enable_email_otp(address=address)
    person.service.clock.advance(MINUTE_S)
    partial = person.partial
    good(person.post(f"{EMAIL_OTP}/challenge", partial))
    code = person.service.mailed_code(address)

    def holds() -> None:
        assert person.post(f"{EMAIL_OTP}/authenticate", person.partial, otp=code).status_code == 401
        _mailed_factor_holds(person, address)

    return Ready(person, Request("POST", f"{EMAIL_OTP}/authenticate", partial, {"otp": code}), holds)


def _mailed_factor_holds(person: Person, address: str) -> None:
    person.service.clock.advance(MINUTE_S)
    partial = _logs_in(person, use="partial")
    assert refusal(person.get("/auth/accesstoken", partial)) == (401, "2FA_REQUIRED_PARTIAL_TOKEN")
    good(person.post(f"{EMAIL_OTP}/challenge", partial))
    code = person.service.mailed_code(address)
    assert "refreshToken" in good(person.post(f"{EMAIL_OTP}/authenticate", partial, otp=code))


def second_step_recovery(person: Person) -> Ready:
    codes = person.enable_totp()
    partial = person.partial

    def holds() -> None:
        assert person.guess_recovery_code(person.partial, codes[0]).status_code == 401
        assert "refreshToken" in good(person.guess_recovery_code(person.partial, codes[1]))

    return Ready(person, Request("POST", f"{RECOVERY}/authenticate", partial, {"recoveryCode": codes[0]}), holds)


def second_step_wrong(person: Person) -> Ready:
    person.enable_totp()
    request = Request("POST", f"{TOTP}/authenticate", person.partial, {"totp": person.wrong_totp()})
    return Ready(person, request, lambda: _second_factor_holds(person))


def step_up(person: Person) -> Ready:
    person.enable_totp()
    access = person.access
    code = person.service.next_totp_code(person.authenticator)

    def holds() -> None:
        assert person.guess_totp(access, code).status_code == 401
        assert set(person.authenticated(access)) == {"sudoToken"}

    return Ready(person, Request("POST", f"{TOTP}/authenticate", access, {"totp": code}), holds)


def exchange(person: Person) -> Ready:
    return Ready(person, Request("GET", "/auth/accesstoken", person.refresh), lambda: person.access)


def renewal(person: Person) -> Ready:
    person.service.clock.advance(MINUTE_S)

    def holds() -> None:
        assert _lives(person, person.get("/auth/refreshtoken", person.refresh).text)

    return Ready(person, Request("GET", "/auth/refreshtoken", person.refresh), holds)


def renewal_strict(person: Person) -> Ready:
    person.service.clock.advance(MINUTE_S)

    def holds() -> None:
        # Within the grace whoever lost the answer gets the same successor, which is good for more.
        first, second = (person.get("/auth/refreshtoken", person.refresh) for _ in range(2))
        assert first.status_code == second.status_code == 200
        assert first.text == second.text
        assert person.get("/auth/refreshtoken", first.text).status_code == 200

    return Ready(person, Request("GET", "/auth/refreshtoken", person.refresh), holds)


def logout(person: Person) -> Ready:
    access = person.access

    def holds() -> None:
        assert not _lives(person, person.refresh)
        assert person.get("/auth/accesstoken/validate", access).status_code == 401
        _logs_in(person)

    return Ready(person, Request("POST", "/auth/logout", person.refresh), holds)


def password_change(person: Person) -> Ready:
    other = person.service.login(person.email)

    def holds() -> None:
        assert person.service.call("POST", "/auth/login", json=_password(person, PASSWORD)).status_code == 401
        _logs_in(person, NEW_PASSWORD)
        assert (_lives(person, person.refresh), _lives(person, other)) == (True, False)

    body = {"oldPassword": PASSWORD, "newPassword": NEW_PASSWORD}
    return Ready(person, Request("PUT", "/user/password/old-password", person.access, body), holds)


def reset_mail(person: Person) -> Ready:
    def holds() -> None:
        code = person.service.mailed_code(person.email)
        body = {"email": person.email, "otp": code}
        assert person.service.call("POST", "/user/password/reset/validate", json=body).status_code == 204

    return Ready(person, Request("POST", "/user/password/reset/send", None, {"email": person.email}), holds)


def _asked_for_reset(person: Person) -> str:
    person.service.deliver()
    good(person.post("/user/password/reset/send", None, email=person.email))
    return person.service.mailed_code(person.email)


def reset_guess(person: Person) -> Ready:
    code = _asked_for_reset(person)
    body = {"email": person.email, "otp": wrong_code(code)}

    def holds() -> None:
        assert person.post("/user/password/reset/validate", None, email=person.email, otp=code).status_code == 204

    return Ready(person, Request("POST", "/user/password/reset/validate", None, body), holds)


def reset(person: Person) -> Ready:
    person.enable_totp()
    body = {"userEmail": person.email, "otp": _asked_for_reset(person), "newPassword": NEW_PASSWORD}

    def holds() -> None:
        assert person.service.call("POST", "/auth/login", json=_password(person, PASSWORD)).status_code == 401
        assert not _lives(person, person.refresh)
        assert person.put("/user/password/otp", None, **body).status_code == 401
        person.password = NEW_PASSWORD
        partial = _logs_in(person, NEW_PASSWORD, use="partial")
        assert refusal(person.get("/auth/accesstoken", partial)) == (401, "2FA_REQUIRED_PARTIAL_TOKEN")
        person.authenticated(partial)

    return Ready(person, Request("PUT", "/user/password/otp", None, body), holds)


def totp_setup(person: Person) -> Ready:
    def holds() -> None:
        _logs_in(person)
        assert person.enable_totp()

    return Ready(person, Request("POST", f"{TOTP}/setup", person.access), holds)


def totp_enable(person: Person) -> Ready:
    access = person.access
    person.totp = person.set_totp_up(access)
    code = person.service.totp_code(person.authenticator)

    def holds() -> None:
        _second_factor_holds(person)
        # Whoever never saw the codes gets others.
        sudo = person.authenticated(person.access)["sudoToken"]
        assert len(good(person.post(f"{RECOVERY}/reset", sudo))["recoveryCodes"]) == 10

    return Ready(person, Request("POST", f"{TOTP}/enable", access, {"totp": code}), holds)


def totp_remove(person: Person) -> Ready:
    codes = person.enable_totp()

    def holds() -> None:
        _logs_in(person)
        assert good(person.get("/user/2fa", person.access)) == {"enabled": False}
        assert refusal(person.guess_recovery_code(person.access, codes[0])) == (409, "RECOVERY_CODES_UNINITIALIZED")

    return Ready(person, Request("DELETE", TOTP, person.sudo), holds)


def email_setup(person: Person) -> Ready:
    address = f"codes-{person.email}"

    def holds() -> None:
        _logs_in(person)
        code = person.service.mailed_code(address)
        assert len(good(person.post(f"{EMAIL_OTP}/enable", person.access, otp=code))["recoveryCodes"]) == 10

    return Ready(person, Request("POST", f"{EMAIL_OTP}/setup", person.access, {"email": address}), holds)


def email_enable(person: Person) -> Ready:
    address = f"codes-{person.email}"
    access = person.access
    good(person.post(f"{EMAIL_OTP}/setup", access, email=address))
    code = person.service.mailed_code(address)
    request = Request("POST", f"{EMAIL_OTP}/enable", access, {"otp": code})
    return Ready(person, request, lambda: _mailed_factor_holds(person, address))


def email_challenge(person: Person) -> Ready:
    address = f"codes-{person.email}"
    person.enable_email_otp(address=address)
    person.service.clock.advance(MINUTE_S)
    partial = person.partial

    def holds() -> None:
        code = person.service.mailed_code(address)
        assert "refreshToken" in good(person.post(f"{EMAIL_OTP}/authenticate", partial, otp=code))

    return Ready(person, Request("POST", f"{EMAIL_OTP}/challenge", partial), holds)


def email_remove(person: Person) -> Ready:
    codes = person.enable_email_otp(address=f"codes-{person.email}")
    sudo = good(person.guess_recovery_code(person.access, codes[0]))["sudoToken"]

    def holds() -> None:
        _logs_in(person)
        assert good(person.get("/user/2fa", person.access)) == {"enabled": False}

    return Ready(person, Request("DELETE", EMAIL_OTP, sudo), holds)


def recovery_codes(person: Person) -> Ready:
    codes = person.enable_totp()

    def holds() -> None:
        assert person.guess_recovery_code(person.partial, codes[0]).status_code == 401
        _second_factor_holds(person)
        sudo = person.authenticated(person.access)["sudoToken"]
        assert len(good(person.post(f"{RECOVERY}/reset", sudo))["recoveryCodes"]) == 10

    return Ready(person, Request("POST", f"{RECOVERY}/reset", person.sudo), holds)


def transfer_mail(person: Person) -> Ready:
    new = f"new-{person.email}"

    def holds() -> None:
        code = person.service.mailed_code(new)
        assert person.put("/user/email", person.access, otp=code).status_code == 204

    return Ready(person, Request("POST", "/user/email/initiate", person.access, {"email": new}), holds)


def _asked_for_transfer(person: Person, new: str) -> Request:
    good(person.post("/user/email/initiate", person.access, email=new))
    return Request("PUT", "/user/email", person.access, {"otp": person.service.mailed_code(new)})


def transfer(person: Person) -> Ready:
    new = f"new-{person.email}"

    def holds() -> None:
        assert person.service.call("POST", "/auth/login", json=_password(person, PASSWORD)).status_code == 401
        assert person.service.login(new)

    return Ready(person, _asked_for_transfer(person, new), holds)


def transfer_taken(person: Person) -> Ready:
    new = f"new-{person.email}"
    request = _asked_for_transfer(person, new)
    person.service.add_user(new)

    def holds() -> None:
        _logs_in(person)
        assert request.at(person.service).status_code == 401
        person.service.clock.advance(MINUTE_S)
        assert _asked_for_transfer(person, f"other-{person.email}").at(person.service).status_code == 204

    return Ready(person, request, holds)


FLOWS = [
    Flow("login", login),
    Flow("login, wrong password", login_wrong, 401),
    Flow("login, first step", login_first_step),
    Flow("second step, TOTP", second_step_totp, once=True),
    Flow("second step, mailed code", second_step_email, once=True),
    Flow("second step, recovery code", second_step_recovery, mails=True, once=True),
    Flow("second step, wrong code", second_step_wrong, 401),
    Flow("step-up", step_up, once=True),
    Flow("exchange", exchange),
    Flow("renewal", renewal),
    Flow("renewal, strict rotation", renewal_strict, settings={"refresh_rotation": "strict"}, soon=True),
    Flow("logout", logout, 204, once=True),
    Flow("password change", password_change, 204, mails=True, once=True),
    Flow("reset, mail", reset_mail, 204, mails=True, soon=True),
    Flow("reset, wrong code", reset_guess, 401),
    Flow("reset", reset, 204, mails=True, once=True),
    Flow("TOTP, set up", totp_setup),
    Flow("TOTP, enable", totp_enable, mails=True, once=True),
    Flow("TOTP, remove", totp_remove, 204, mails=True, once=True),
    Flow("mailed codes, set up", email_setup, 204, mails=True, soon=True),
    Flow("mailed codes, enable", email_enable, mails=True, once=True),
    Flow("mailed codes, challenge", email_challenge, 204, mails=True, soon=True),
    Flow("mailed codes, remove", email_remove, 204, mails=True, once=True),
    Flow("recovery codes, new", recovery_codes, mails=True),
    Flow("transfer, mail", transfer_mail, 204, mails=True, soon=True),
    Flow("transfer", transfer, 204, mails=True, once=True),
    Flow("transfer to a taken address", transfer_taken, 409, once=True),
]
