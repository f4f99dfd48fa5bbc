"""One user's second factors and sessions, driven at random and held against a simple model of the contract.

Brief in the gate; `make fuzz` runs it for long.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

import pyotp
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from doorward.accounts import flows as accounts
from tests.support.person import EMAIL_OTP, RECOVERY, TOTP, refusal, wrong_code
from tests.support.service import Service

STEPS = 40
# In parts, none of which lasts so long that pytest takes it for one that hangs.
PARTS, EXAMPLES = (1, 9) if settings().derandomize else (10, 60)
WAITS = (30, 60, 120, 240, 480, 960, 1920, 3600)
MAIL_WAITS = (60, 120, 240, 480, 960, 1920, 3600)
MINUTES_5, MINUTES_10 = 300_000, 600_000
MOSTLY = st.sampled_from([True, True, False])
_numbers = itertools.count()

Told = tuple[int, str]
OK = (200, "")
DONE = (204, "")
INVALID = (401, "OTP_INVALID_EXPIRED")


@dataclass
class Guesses:
    """The waits after wrong answers: five are free."""

    refusal: str
    wrong: int = 0
    next_at: int = 0

    def fail(self, now: int) -> None:
        self.wrong += 1
        if self.wrong >= 5:
            self.next_at = now + 1000 * WAITS[min(self.wrong - 5, len(WAITS) - 1)]

    def reset(self) -> None:
        self.wrong = self.next_at = 0


@dataclass
class Mailed:
    """The newest mailed code of a purpose, and the wrong tries so far. `last` outlives its use."""

    last: str = "123456"
    code: str | None = None
    expires_at: int = 0
    wrong: int = 0

    def use(self, code: str, now: int) -> bool:
        if self.code is None or self.expires_at <= now:
            return False
        if code == self.code:
            self.code, self.wrong = None, 0
            return True
        self.wrong += 1
        if self.wrong >= 5:
            self.code = None
        return False


@dataclass
class Token:
    text: str
    expires_at: int


@dataclass
class Session:
    refresh: str
    sudo: list[Token] = field(default_factory=list)


class Factors(RuleBasedStateMachine):
    """The model, and each call beside it."""

    service: Service

    def __init__(self) -> None:
        super().__init__()
        number = next(_numbers)
        self.email = f"u{number}@example.org"
        self.codes_address = f"codes-{number}@example.org"
        self.password = "Correct-Horse-1"
        self.service.add_user(self.email)
        self.app: pyotp.TOTP | None = None
        self.pending_app: pyotp.TOTP | None = None
        self.last_step = 0
        self.address: str | None = None
        self.pending_address: str | None = None
        self.next_mail_at = 0
        self.challenge = Mailed()
        self.setup = Mailed()
        self.recovery: list[str] | None = None
        self.used: list[str] = []
        self.totp_guesses = Guesses("TOO_MANY_TOTP_CHECKS")
        self.recovery_guesses = Guesses("TOO_MANY_RECOVERY_CODE_CHECKS")
        self.live: list[Session] = []
        self.over: list[str] = []
        self.partials: list[Token] = []
        self.void: list[Token] = []

    @property
    def now(self) -> int:
        return self.service.clock.now_ms()

    @property
    def enabled(self) -> bool:
        return self.app is not None or self.address is not None

    def call(self, verb: str, path: str, token: str | None, **body: str) -> tuple[Told, dict[str, object]]:
        answer = self.service.call(verb, path, token, **({"json": body} if verb != "DELETE" else {}))
        if not answer.is_success:
            return refusal(answer), {}
        is_json = answer.headers.get("content-type") == "application/json"
        return (answer.status_code, ""), answer.json() if is_json else {}

    def access(self, session: Session) -> str:
        return self.service.access(session.refresh)

    def sudo_of(self, session: Session) -> str | None:
        return next((each.text for each in session.sudo if each.expires_at > self.now), None)

    # Where it begins

    @initialize(data=st.data(), app=st.booleans(), mail=st.booleans())
    def begin(self, data: st.DataObject, app: bool, mail: bool) -> None:  # noqa: FBT001
        """Mostly in the midst of things: with a session that has stepped up, and one method or two."""
        self.log_in()
        if app:
            self.set_totp_up(data, with_sudo=False)
            self.enable_totp(data, right=True)
            self.wait(30)
            self.answer_totp(data, right=True, drift=0)
        if mail:
            self.set_email_up(data, with_sudo=True, second=False)
            self.enable_email(data, right=True)
            self.wait(60)

    # Time and logins

    @rule(seconds=st.sampled_from([1, 29, 30, 60, 120, 300, 600]))
    def wait(self, seconds: int) -> None:
        self.service.clock.advance(seconds)

    @rule()
    def log_in(self) -> None:
        body = {"username": self.email, "password": self.password}
        answer = self.service.call("POST", "/auth/login", json=body)
        assert answer.headers["x-token-use"] == ("partial" if self.enabled else "refresh")
        if self.enabled:
            self.partials.append(Token(answer.text, self.now + MINUTES_5))
        else:
            self.live.append(Session(answer.text))

    @precondition(lambda self: self.live)
    @rule(data=st.data())
    def log_out(self, data: st.DataObject) -> None:
        session = data.draw(st.sampled_from(self.live))
        assert self.call("POST", "/auth/logout", session.refresh)[0] == DONE
        self.live.remove(session)
        self.over.append(session.refresh)

    @precondition(lambda self: self.live or self.partials)
    @rule(number=st.integers(0, 9))
    def set_password(self, number: int) -> None:
        self.password = f"Correct-Horse-{number}"
        accounts.set_password(self.service.doorward.env, self.email, self.password)
        self.over += [session.refresh for session in self.live]
        self.void += self.partials
        self.live, self.partials = [], []

    # Step-up

    def sensitive(self, session: Session, *, with_sudo: bool) -> tuple[str, Told | None]:
        """A token for a sensitive change, and how it is refused if it is not enough."""
        sudo = self.sudo_of(session)
        if with_sudo and sudo is not None:
            return sudo, None
        return self.access(session), (401, "SUDO_TOKEN_REQUIRED") if self.enabled else None

    def answered(self, token: Token | Session, told: Told, body: dict[str, object], right: Callable[[], None]) -> None:
        """A right answer of the second step: one session for a login, a sudo token for a session."""
        if told != OK:
            assert body == {}
            return
        right()
        for guesses in (self.totp_guesses, self.recovery_guesses):
            guesses.reset()
        sudo = Token(str(body["sudoToken"]), self.now + MINUTES_5)
        if isinstance(token, Session):
            assert set(body) == {"sudoToken"}
            token.sudo.append(sudo)
            return
        assert set(body) == {"sudoToken", "accessToken", "refreshToken"}
        self.live.append(Session(str(body["refreshToken"]), [sudo]))
        self.partials.remove(token)
        self.void.append(token)

    def second_step(self, data: st.DataObject) -> tuple[Token | Session, str]:
        """A login under way or a session, and the token that goes with it."""
        partials = [each for each in self.partials if each.expires_at > self.now]
        holders: list[Token | Session] = [*partials, *self.live]
        token = data.draw(st.sampled_from(holders))
        return token, token.text if isinstance(token, Token) else self.access(token)

    def has_second_step(self) -> bool:
        return bool(self.live) or any(each.expires_at > self.now for each in self.partials)

    # TOTP

    @precondition(lambda self: self.live)
    @rule(data=st.data(), with_sudo=MOSTLY)
    def set_totp_up(self, data: st.DataObject, with_sudo: bool) -> None:  # noqa: FBT001
        token, refused = self.sensitive(data.draw(st.sampled_from(self.live)), with_sudo=with_sudo)
        told, body = self.call("POST", f"{TOTP}/setup", token)
        assert told == (refused or OK)
        if refused is None:
            app = pyotp.parse_uri(str(body["url"]))
            assert isinstance(app, pyotp.TOTP)
            self.pending_app = app

    def code_of(self, app: pyotp.TOTP, step: int, *, right: bool) -> str:
        if right:
            return app.at(step * 30)
        near = {app.at((self.now // 30_000 + each) * 30) for each in range(-2, 3)}
        return next(code for code in (f"{number:06}" for number in range(9)) if code not in near)

    def judged(self, guesses: Guesses, *, right: bool, refused: Told) -> Told:
        """What a guess is told; a wrong one counts."""
        if guesses.next_at > self.now:
            return (429, guesses.refusal)
        if not right:
            guesses.fail(self.now)
        return OK if right else refused

    @precondition(lambda self: self.live)
    @rule(data=st.data(), right=MOSTLY)
    def enable_totp(self, data: st.DataObject, right: bool) -> None:  # noqa: FBT001
        token = self.access(data.draw(st.sampled_from(self.live)))
        step = self.now // 30_000
        if self.pending_app is None:
            told, _ = self.call("POST", f"{TOTP}/enable", token, totp="123456")
            assert told == (409, "TOTP_UNINITIALIZED")
            return
        code = self.code_of(self.pending_app, step, right=right)
        expected = self.judged(self.totp_guesses, right=right, refused=(401, "TOTP_INCORRECT"))
        told, body = self.call("POST", f"{TOTP}/enable", token, totp=code)
        assert told == expected
        if told == OK:
            self.totp_guesses.reset()
            self.app, self.pending_app, self.last_step = self.pending_app, None, step
            self.keep_codes(body)

    def keep_codes(self, body: dict[str, object]) -> None:
        codes = body["recoveryCodes"]
        assert isinstance(codes, list)
        assert len(codes) == (10 if self.recovery is None else 0)
        if self.recovery is None:
            self.recovery, self.used = codes, []

    @precondition(has_second_step)
    @rule(data=st.data(), right=MOSTLY, drift=st.sampled_from([-2, -1, 0, 0, 0, 1, 2]))
    def answer_totp(self, data: st.DataObject, right: bool, drift: int) -> None:  # noqa: FBT001
        holder, token = self.second_step(data)
        if self.app is None:
            told, _ = self.call("POST", f"{TOTP}/authenticate", token, totp="123456")
            assert told == (409, "TOTP_UNINITIALIZED")
            return
        step = self.now // 30_000 + drift
        accepted = right and abs(drift) <= 1 and step > self.last_step
        expected = self.judged(self.totp_guesses, right=accepted, refused=(401, "TOTP_INCORRECT"))
        code = self.code_of(self.app, step, right=right)
        told, body = self.call("POST", f"{TOTP}/authenticate", token, totp=code)
        assert told == expected
        self.answered(holder, told, body, lambda: setattr(self, "last_step", step))

    @precondition(lambda self: self.live)
    @rule(data=st.data())
    def remove_totp(self, data: st.DataObject) -> None:
        sudo = self.sudo_of(data.draw(st.sampled_from(self.live)))
        if sudo is None:
            return
        told, _ = self.call("DELETE", TOTP, sudo)
        assert told == (DONE if self.app else (409, "TOTP_ALREADY_INACTIVE"))
        if self.app:
            self.app = self.pending_app = None
            self.totp_guesses.reset()
            self.end_if_last()

    def end_if_last(self) -> None:
        if not self.enabled and self.recovery is not None:
            self.recovery, self.used = None, []
            self.recovery_guesses.reset()

    # Email OTP

    def mail_expected(self, mailed: Mailed) -> Told:
        if self.next_mail_at > self.now:
            return (429, "TOO_MANY_OTP_EMAILS")
        self.next_mail_at = self.now + 1000 * MAIL_WAITS[min(max(0, mailed.wrong - 9), len(MAIL_WAITS) - 1)]
        return DONE

    def mailed(self, mailed: Mailed, to: str) -> None:
        mailed.code = mailed.last = self.service.mailed_code(to)
        mailed.expires_at = self.now + MINUTES_10

    @precondition(lambda self: self.live)
    @rule(data=st.data(), with_sudo=MOSTLY, second=st.booleans())
    def set_email_up(self, data: st.DataObject, with_sudo: bool, second: bool) -> None:  # noqa: FBT001
        token, refused = self.sensitive(data.draw(st.sampled_from(self.live)), with_sudo=with_sudo)
        address = f"second-{self.codes_address}" if second else self.codes_address
        expected = refused or self.mail_expected(self.setup)
        told, _ = self.call("POST", f"{EMAIL_OTP}/setup", token, email=address)
        assert told == expected
        if told == DONE:
            self.pending_address = address
            self.mailed(self.setup, address)

    def mailed_guess(self, mailed: Mailed, *, right: bool) -> str:
        return mailed.last if right else wrong_code(mailed.last)

    @precondition(lambda self: self.live)
    @rule(data=st.data(), right=MOSTLY)
    def enable_email(self, data: st.DataObject, right: bool) -> None:  # noqa: FBT001
        token = self.access(data.draw(st.sampled_from(self.live)))
        code = self.mailed_guess(self.setup, right=right)
        expected = (409, "EMAIL_OTP_UNINITIALIZED")
        if self.pending_address is not None:
            expected = OK if self.setup.use(code, self.now) else INVALID
        told, body = self.call("POST", f"{EMAIL_OTP}/enable", token, otp=code)
        assert told == expected
        if told == OK:
            self.address, self.pending_address = self.pending_address, None
            self.challenge = Mailed(self.challenge.last)
            self.keep_codes(body)

    @precondition(has_second_step)
    @rule(data=st.data())
    def ask_for_mail(self, data: st.DataObject) -> None:
        _, token = self.second_step(data)
        expected = (409, "EMAIL_OTP_UNINITIALIZED") if self.address is None else self.mail_expected(self.challenge)
        told, _ = self.call("POST", f"{EMAIL_OTP}/challenge", token)
        assert told == expected
        if told == DONE:
            self.mailed(self.challenge, str(self.address))

    @precondition(has_second_step)
    @rule(data=st.data(), right=MOSTLY)
    def answer_mail(self, data: st.DataObject, right: bool) -> None:  # noqa: FBT001
        holder, token = self.second_step(data)
        code = self.mailed_guess(self.challenge, right=right)
        expected = (409, "EMAIL_OTP_INACTIVE")
        if self.address is not None:
            expected = OK if self.challenge.use(code, self.now) else INVALID
        told, body = self.call("POST", f"{EMAIL_OTP}/authenticate", token, otp=code)
        assert told == expected
        self.answered(holder, told, body, lambda: None)

    @precondition(lambda self: self.live)
    @rule(data=st.data())
    def remove_email(self, data: st.DataObject) -> None:
        sudo = self.sudo_of(data.draw(st.sampled_from(self.live)))
        if sudo is None:
            return
        told, _ = self.call("DELETE", EMAIL_OTP, sudo)
        assert told == (DONE if self.address else (409, "EMAIL_OTP_ALREADY_INACTIVE"))
        if self.address:
            self.address = self.pending_address = None
            self.challenge, self.setup = Mailed(self.challenge.last), Mailed(self.setup.last)
            self.end_if_last()

    # Recovery codes

    @precondition(has_second_step)
    @rule(data=st.data(), kind=st.sampled_from(["right", "right", "used", "wrong"]))
    def answer_recovery_code(self, data: st.DataObject, kind: str) -> None:
        holder, token = self.second_step(data)
        pool = {"right": self.recovery or [], "used": self.used}.get(kind, [])
        code = pool[0] if pool else "Z" * 16
        right = bool(self.recovery) and code in (self.recovery or [])
        expected = (409, "RECOVERY_CODES_UNINITIALIZED")
        if self.recovery is not None:
            expected = self.judged(self.recovery_guesses, right=right, refused=(401, "RECOVERY_CODE_INCORRECT"))
        told, body = self.call("POST", f"{RECOVERY}/authenticate", token, recoveryCode=code)
        assert told == expected
        self.answered(holder, told, body, lambda: self.spend(code))

    def spend(self, code: str) -> None:
        assert self.recovery is not None
        self.recovery.remove(code)
        self.used.append(code)

    @precondition(lambda self: self.live)
    @rule(data=st.data())
    def replace_recovery_codes(self, data: st.DataObject) -> None:
        sudo = self.sudo_of(data.draw(st.sampled_from(self.live)))
        if sudo is None:
            return
        told, body = self.call("POST", f"{RECOVERY}/reset", sudo)
        assert told == (OK if self.enabled else (409, "2FA_IS_DISABLED"))
        if told == OK:
            codes = body["recoveryCodes"]
            assert isinstance(codes, list)
            self.used = (self.recovery or []) + self.used
            self.recovery = codes
            self.recovery_guesses.reset()

    # What chance alone would seldom come to

    @precondition(has_second_step)
    @rule(data=st.data())
    def answer_twice(self, data: st.DataObject) -> None:
        for _ in range(2):
            self.answer_totp(data, right=True, drift=0)

    @precondition(has_second_step)
    @rule(data=st.data(), times=st.integers(3, 6))
    def guess_often(self, data: st.DataObject, times: int) -> None:
        for _ in range(times):
            self.answer_totp(data, right=False, drift=0)
            self.answer_recovery_code(data, kind="wrong")

    @precondition(lambda self: self.live)
    @rule(data=st.data(), wrong=st.integers(0, 6), answers=st.booleans())
    def mail_and_answer(self, data: st.DataObject, wrong: int, answers: bool) -> None:  # noqa: FBT001
        self.wait(60)
        self.ask_for_mail(data)
        for _ in range(wrong):
            self.answer_mail(data, right=False)
        if answers:
            self.answer_mail(data, right=True)

    @precondition(lambda self: self.live)
    @rule(data=st.data(), second=st.booleans())
    def move_the_codes(self, data: st.DataObject, second: bool) -> None:  # noqa: FBT001
        self.wait(60)
        self.set_email_up(data, with_sudo=True, second=second)
        self.enable_email(data, right=True)

    # What always holds

    @invariant()
    def the_overview_shows_what_is_active(self) -> None:
        if not self.live:
            return
        _, body = self.call("GET", "/user/2fa", self.access(self.live[0]))
        shown = {"totp": self.app, "emailOtp": self.address, "recoveryCodes": self.recovery}
        assert set(body) == {"enabled", *(name for name, there in shown.items() if there is not None)}
        assert body["enabled"] is self.enabled

    @invariant()
    def what_is_over_stays_over(self) -> None:
        for refresh in self.over[-3:]:
            assert self.call("GET", "/auth/refreshtoken/validate", refresh)[0] == (401, "TOKEN_REVOKED")
        for partial in self.void[-2:]:
            expected = "TOKEN_REVOKED" if partial.expires_at > self.now else "TOKEN_EXPIRED"
            assert self.call("GET", "/user/2fa", partial.text)[0] == (401, expected)

    @invariant()
    def the_waits_are_told_to_the_second(self) -> None:
        if not self.live:
            return
        access = self.access(self.live[0])
        for path, guesses, there in (
            (TOTP, self.totp_guesses, self.app or self.pending_app),
            (RECOVERY, self.recovery_guesses, self.recovery is not None),
        ):
            if there:
                _, body = self.call("GET", f"{path}/next-guess", access)
                assert body == {"duration": max(0, -((self.now - guesses.next_at) // 1000))}


@pytest.mark.hypothesis
@pytest.mark.parametrize("part", range(PARTS))
def test_factors_and_sessions_are_as_the_model_says(service: Service, part: int) -> None:
    machine = type("FactorsOfService", (Factors,), {"service": service})
    run_state_machine_as_test(machine, settings=settings(max_examples=EXAMPLES, stateful_step_count=STEPS))
