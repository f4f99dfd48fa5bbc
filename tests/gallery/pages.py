"""One person's way through every account page, with a picture of each state."""

import re
from dataclasses import dataclass

import httpx
import pyotp
from playwright.sync_api import Page

from tests.gallery.camera import NARROW, Camera, Picture
from tests.support.development import Development

EMAIL = "you@example.org"
CODE = re.compile(r"^\s*(\d{6})\s*$", re.MULTILINE)
OTHER_DEVICES = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) Version/18.1 Mobile/15E148 Safari/604.1",
    "Example-Tool/2.4 (a command line)",
)
NARROW_PAGES = (
    ("", "home", "The account"),
    ("/password", "password", "Change of the password"),
    ("/sessions", "sessions", "Sessions"),
    ("/activity", "activity", "Activity"),
    ("/email-otp", "email-otp", "Codes by email"),
    ("/totp/remove", "totp-remove", "Removal of the authenticator app"),
)


@dataclass
class Walk:
    """The browser, its camera, and what the person has at hand."""

    dev: Development
    page: Page
    camera: Camera
    mails: int = 0

    def go(self, path: str) -> None:
        self.page.goto(f"{self.dev.url}/account{path}")

    def take(self, name: str, words: str) -> None:
        self.camera.take(name, words)

    def see(self, path: str, name: str, words: str) -> None:
        self.go(path)
        self.take(name, words)

    def send(self, action: str, **typed: str) -> None:
        """Fill in the form that goes to this page, and send it."""
        for name, text in typed.items():
            self.page.locator(f"#{name}").fill(text)
        form = self.page.locator(f'form[action="/account{action}"]').last
        with self.page.expect_navigation():
            form.locator("button:not([type=button])").last.click()

    def narrowed(self, path: str, name: str, words: str) -> None:
        """The page on a small telephone, in German, whose words are long."""
        self.go(f"{path}{'&' if '?' in path else '?'}language=de")
        self.camera.take(f"{name}-narrow", f"{words}, in German and 320 pixels wide", NARROW)
        self.go(f"{path}{'&' if '?' in path else '?'}language=en")

    def sign_in(self) -> None:
        self.send("/sign-in", username=EMAIL, password=self.dev.password)

    def mailed_code(self) -> str:
        """The code in the mail after those that were read before, once it is there."""
        while len(mails := self._inbox()) <= self.mails:
            self.page.wait_for_timeout(100)
        self.mails = len(mails)
        found = CODE.search(mails[0]["text"])
        assert found is not None, mails[0]["subject"]
        return found[1]

    def skip_mails(self) -> None:
        """Look at those only that come from now on."""
        self.mails = len(self._inbox())

    def _inbox(self) -> list[dict[str, str]]:
        mails: list[dict[str, str]] = httpx.get(f"{self.dev.url}/dev/inbox.json").json()
        return [mail for mail in mails if CODE.search(mail["text"])]


def walk(dev: Development, page: Page, camera: Camera) -> list[Picture]:
    """All account pages, in the order in which people meet them."""
    person = Walk(dev, page, camera)
    _signed_out(person)
    _with_a_password_alone(person)
    codes = _second_step(person)
    _everything_on(person, codes)
    _sign_in_again(person, codes)
    return camera.taken


def _signed_out(person: Walk) -> None:
    person.see("", "sign-in", "Sign in")
    person.see("/sign-in?origin=energy", "sign-in-branded", "Sign in, with a brand of its own")
    person.go("/sign-in?origin=")
    person.send("/sign-in", username=EMAIL, password="wrong")
    person.take("sign-in-refused", "Sign in, refused: the name stays, the focus is on the summary")
    person.see("/reset", "reset", "A forgotten password")
    person.send("/reset", email=EMAIL)
    code = person.mailed_code()
    person.take("reset-code", "Its code; another one can be asked for in a minute")
    person.send("/reset/code", code="12345")
    person.take("reset-code-refused", "A code that is too short")
    person.send("/reset/code", code=code)
    person.send("/reset/password", new_password="short")
    person.take("reset-password", "The new password, too short; its rules are ticked while typing")


def _with_a_password_alone(person: Walk) -> None:
    for agent in OTHER_DEVICES:
        body = {"username": EMAIL, "password": person.dev.password}
        httpx.post(f"{person.dev.url}/auth/login", json=body, headers={"User-Agent": agent}).raise_for_status()
    person.go("/sign-in")
    person.sign_in()
    person.take("home", "The account, with a password alone")
    person.see("/totp", "totp-off", "An authenticator app, before it is set up")
    person.see("/recovery-codes", "recovery-codes-none", "Recovery codes, before there are any")
    person.see("/language", "language", "Language")


def _second_step(person: Walk) -> list[str]:
    person.go("/totp")
    person.send("/totp")
    person.take("totp-set-up", "Its set-up")
    person.page.locator("summary").click()
    secret = person.page.locator("#secret").inner_text().replace(" ", "")
    person.take("totp-secret", "Its secret as text")
    person.send("/totp/set-up", code=pyotp.TOTP(secret).now())
    codes = person.page.locator("#codes li").all_inner_texts()
    person.take("new-codes", "Recovery codes, shown once")
    person.narrowed("/recovery-codes/new", "new-codes", "Recovery codes")
    person.send("/recovery-codes/new")
    person.take("home-protected", "The account, with a second step")
    return codes


def _everything_on(person: Walk, codes: list[str]) -> None:
    person.see("/email-otp", "confirm", "Before something that matters")
    person.see(
        "/confirm?method=recovery-code&next=/account/email-otp", "confirm-recovery", "The same by a recovery code"
    )
    person.send("/confirm", code=codes.pop())
    person.take("email-otp-off", "Codes by email")
    person.skip_mails()
    person.send("/email-otp", email=EMAIL)
    person.take("email-otp-code", "Its code")
    person.send("/email-otp/code", code=person.mailed_code())
    person.see("/email-otp", "email-otp-on", "Codes by email, switched on")
    person.see("/totp", "totp-on", "The authenticator app, switched on")
    person.see("/totp/remove", "totp-remove", "Its removal")
    person.see("/recovery-codes", "recovery-codes", "Recovery codes that are left")
    person.see("/password", "password", "Change of the password")
    person.send("/password", old_password="wrong", new_password="Another-Horse-2")
    person.take("password-refused", "The same, refused")
    person.see("/email", "address", "Change of the address")
    person.send("/email", email="a.much-longer-name@department.of-an-example.org")
    person.take("address-code", "Its code")
    person.see("/sessions", "sessions", "Sessions")
    person.see("/activity", "activity", "Activity")
    for path, name, words in NARROW_PAGES:
        person.narrowed(path, name, words)


def _sign_in_again(person: Walk, codes: list[str]) -> None:
    person.go("")
    person.send("/sign-out")
    person.take("signed-out", "Signed out")
    person.sign_in()
    person.take("second-step", "The second step")
    person.see("/second-factor?method=email-otp", "second-step-email", "The same by email")
    person.see("/second-factor?method=recovery-code", "second-step-recovery", "The same by a recovery code")
    person.narrowed("/second-factor?method=recovery-code", "second-step-recovery", "The second step")
    person.go("/second-factor?method=recovery-code")
    person.send("/second-factor", code=codes.pop())
    person.take("home-recovered", "The account, after a recovery code: the phone may be lost")
    person.send("/sign-out")
    person.sign_in()
    person.go("/second-factor")
    while not person.page.locator("[aria-disabled=true]").count():
        person.send("/second-factor", code="000000")
    person.take("second-step-wait", "Too many wrong codes: the button counts down")
    person.narrowed("/second-factor", "second-step", "Too many wrong codes")
    person.page.context.clear_cookies()
    person.narrowed("/sign-in", "sign-in", "Sign in")
