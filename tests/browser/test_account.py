"""The account pages in a real browser: two languages, two themes, with scripts and without; axe finds nothing."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import httpx
import pyotp
import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # it has no types
from playwright.sync_api import Browser, Page, expect

from doorward.http.pages.fields import WRONG_LENGTH
from doorward.i18n import translations
from tests.support.browser import TIMEOUT_MS
from tests.support.development import Development, development

EMAIL = "you@example.org"
NEW_PASSWORD = "Another-Horse-2"
CODE = re.compile(r"^\s*(\d{6})\s*$", re.MULTILINE)
NARROW, WIDE = 320, 900
LOOKS: list[dict[str, Any]] = [
    {"locale": "en-GB", "color_scheme": "light", "viewport": {"width": WIDE, "height": 800}},
    {"locale": "de-DE", "color_scheme": "dark", "viewport": {"width": NARROW, "height": 640}},
    {"locale": "de-DE", "viewport": {"width": NARROW, "height": 640}, "java_script_enabled": False},
]
"""Each in one theme, and its colours in the other."""
NAMES = ["wide", "narrow-german", "without-scripts"]
Scheme = Literal["light", "dark"]
OTHER: dict[Scheme, Scheme] = {"light": "dark", "dark": "light"}


@pytest.fixture
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Development]:
    """One of its own for each test, which changes its user."""
    with development(tmp_path_factory.mktemp("dev")) as running:
        yield running


class Person:
    """Somebody in front of the pages. Each state that `look` sees is held against what every page has to be."""

    def __init__(self, dev: Development, page: Page, *, language: str, scheme: Scheme, copy: Page | None) -> None:
        self.dev = dev
        self.page = page
        self.language = language
        self.words = translations(language)
        self.scheme = scheme
        self.copy = copy
        """Where a page without scripts is held against axe, which is one."""
        self.authenticator: pyotp.TOTP | None = None

    def say(self, english: str) -> str:
        """The same in the person's language."""
        return self.words.gettext(english).replace("{brand}", "Doorward")

    def go(self, path: str) -> None:
        self.page.goto(f"{self.dev.url}{path}")
        self.look()

    def fill(self, **typed: str) -> None:
        for name, text in typed.items():
            self.page.locator(f"#{name}").fill(text)

    def press(self, name: str, arrives: str) -> None:
        """Press a button or follow a link, and see the page whose heading says so."""
        words = self.say(name)
        button = self.page.get_by_role("button", name=words, exact=True)
        (button if button.count() else self.page.get_by_role("link", name=words, exact=True)).first.click()
        expect(self.page.get_by_role("heading", level=1)).to_have_text(self.say(arrives))
        self.look()

    def look(self) -> None:
        """Nothing is wider than the window; axe-core finds nothing, in either theme."""
        width = self.page.evaluate("document.documentElement.scrollWidth")
        assert width <= self.page.viewport_size["width"], self.page.url  # type: ignore[index]  # it has one
        seen = self.page
        if self.copy is not None:
            self.copy.set_content(self.page.content())
            seen = self.copy
        self._hold(seen)
        seen.emulate_media(color_scheme=OTHER[self.scheme])
        self._hold(seen, "color-contrast")
        seen.emulate_media(color_scheme=self.scheme)

    def _hold(self, seen: Page, *rules: str) -> None:
        found = Axe().run(seen, options={"runOnly": rules} if rules else None).response["violations"]
        assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found] == [], self.page.url

    def sign_in(self, password: str, arrives: str) -> None:
        self.fill(username=EMAIL, password=password)
        self.press("Sign in", arrives)

    def code(self) -> str:
        assert self.authenticator is not None
        return self.authenticator.now()

    def mailed_code(self, about: str) -> str:
        """The code of the mail with this subject, once it is there."""
        while True:
            for mail in httpx.get(f"{self.dev.url}/dev/inbox.json").json():
                if mail["subject"] == self.say(about) and (found := CODE.search(mail["text"])):
                    return found[1]


@contextmanager
def person(browser: Browser, dev: Development, **look: Any) -> Iterator[Person]:
    """In a browser window of their own, which asks no other host for anything."""
    # At rest: a colour on its way to another is none that axe could judge.
    look = {"locale": "en-GB", "color_scheme": "light", "reduced_motion": "reduce"} | look
    context = browser.new_context(**look)
    context.set_default_timeout(TIMEOUT_MS)
    page = context.new_page()
    elsewhere: list[str] = []
    faults: list[str] = []
    page.on("request", lambda request: None if request.url.startswith(dev.url) else elsewhere.append(request.url))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if "Content Security" in message.text else None)
    try:
        copy = None if look.get("java_script_enabled", True) else _copy(browser, dev, look)
        yield Person(dev, page, language=look["locale"][:2], scheme=look["color_scheme"], copy=copy)
        assert (elsewhere, faults) == ([], [])
        if copy is not None:
            copy.context.close()
    finally:
        context.close()


def _copy(browser: Browser, dev: Development, look: dict[str, Any]) -> Page:
    """A page whose own scripts never arrive, at the service's origin."""
    page = browser.new_context(**look | {"java_script_enabled": True}).new_page()
    page.set_default_timeout(TIMEOUT_MS)
    page.route("**/*.js?*", lambda route: route.abort())
    page.goto(f"{dev.url}/health/live")
    return page


def with_totp(someone: Person) -> list[str]:
    """Set an authenticator up by the pages; gives the recovery codes."""
    someone.go("/account/totp")
    someone.press("Set it up", "Set up your authenticator app")
    someone.page.locator("summary").click()
    someone.authenticator = pyotp.TOTP(someone.page.locator("#secret").inner_text().replace(" ", ""))
    someone.fill(code="12")
    someone.press("Switch it on", "Set up your authenticator app")
    expect(someone.page.get_by_role("alert")).to_contain_text(someone.say(WRONG_LENGTH))
    someone.fill(code=f"{someone.code()[:3]} {someone.code()[3:]}")
    someone.press("Switch it on", "Save your recovery codes")
    codes = someone.page.locator("#codes li").all_inner_texts()
    someone.press("I have saved them", "Your account")
    return codes


@pytest.mark.parametrize("look", LOOKS, ids=NAMES)
def test_a_person_walks_all_pages(dev: Development, browser: Browser, look: dict[str, Any]) -> None:
    with person(browser, dev, **look) as someone:
        someone.go("/account")
        someone.sign_in("wrong", "Sign in")
        expect(someone.page).to_have_title(re.compile(someone.say("Error:") + " " + someone.say("Sign in")))
        assert someone.page.locator("#username").input_value() == EMAIL
        assert someone.page.locator("#password").input_value() == ""
        someone.sign_in(dev.password, "Your account")
        codes = with_totp(someone)
        _confirm(someone, codes[1])
        _walk_codes_by_mail(someone)
        _walk_address(someone)
        _walk_lists(someone)
        someone.go("/account")
        someone.press("Sign out", "Sign in")
        _walk_reset(someone)
        _lose_the_phone(someone, codes[0])


def _confirm(someone: Person, code: str) -> None:
    """Step-up, by a recovery code: the authenticator's code of this half minute is used."""
    someone.go("/account/email-otp")
    someone.press("Use a recovery code", "Enter a recovery code")
    someone.fill(code=code.lower())
    someone.press("Go on", "Codes by email")


def _walk_codes_by_mail(someone: Person) -> None:
    someone.go("/account/email-otp")
    someone.press("Send the code", "Enter the code from your mail")
    someone.fill(code="000000")
    someone.press("Switch it on", "Enter the code from your mail")
    someone.fill(code=someone.mailed_code("Receive your {brand} codes at this address"))
    someone.press("Switch it on", "Your account")
    someone.go("/account/email-otp")
    someone.press("Remove codes by email", "Remove your codes by email?")
    someone.press("Remove it", "Your account")


def _walk_address(someone: Person) -> None:
    someone.go("/account/email")
    someone.fill(email="nonsense")
    someone.press("Send the code", "Change your email address")
    assert someone.page.locator("#email").input_value() == "nonsense"
    someone.fill(email="new@example.org")
    someone.press("Send the code", "Enter the code from your mail")
    someone.go("/account/password")
    someone.fill(old_password="wrong", new_password=NEW_PASSWORD)
    someone.press("Change the password", "Change your password")


def _walk_lists(someone: Person) -> None:
    for path in ("/account/recovery-codes", "/account/sessions", "/account/activity", "/account/language"):
        someone.go(path)
    someone.page.get_by_label("Nederlands").check()
    someone.page.get_by_role("button").last.click()
    expect(someone.page.locator("html")).to_have_attribute("lang", "nl")
    someone.look()
    someone.go(f"/account?language={someone.language}")


def _walk_reset(someone: Person) -> None:
    someone.press("Forgotten your password?", "Choose a new password")
    someone.fill(email=EMAIL)
    someone.press("Send the code", "Enter the code from your mail")
    someone.fill(code=someone.mailed_code("Reset your {brand} password"))
    someone.press("Go on", "Choose a new password")
    someone.fill(new_password="short")
    someone.press("Set the password", "Choose a new password")
    someone.fill(new_password=NEW_PASSWORD)
    someone.press("Set the password", "Sign in")


def _lose_the_phone(someone: Person, code: str) -> None:
    someone.sign_in(NEW_PASSWORD, "Enter the code from your authenticator app")
    someone.press("Use a recovery code", "Enter a recovery code")
    someone.fill(code=code)
    someone.press("Go on", "Your account")
    someone.go("/account/totp")
    someone.press("Remove it", "Remove your authenticator app?")
    someone.press("Remove it", "Your account")


def test_a_lost_laptops_session_is_ended_from_the_list(dev: Development, browser: Browser) -> None:
    with person(browser, dev) as someone, person(browser, dev, user_agent="Lost-Laptop/1.0") as laptop:
        for each in (someone, laptop):
            each.go("/account")
            each.sign_in(dev.password, "Your account")
        someone.go("/account/sessions")
        someone.press("End it: Lost-Laptop/1.0, 127.0.0.1", "Where you are signed in")
        expect(someone.page.get_by_text("Lost-Laptop")).to_have_count(0)
        laptop.page.goto(f"{dev.url}/account")
        expect(laptop.page.get_by_role("heading", level=1)).to_have_text("Sign in")


def test_a_wait_counts_down_and_the_button_comes_back(dev: Development, browser: Browser) -> None:
    with person(browser, dev) as someone:
        someone.page.clock.install()
        someone.go("/account/reset")
        someone.fill(email="nobody@example.org")
        someone.press("Send the code", "Enter the code from your mail")
        again = someone.page.locator("#send")
        expect(again).to_have_text(re.compile(r"Send a new code in (1:00|0:5\d)"))
        expect(again).to_have_attribute("aria-disabled", "true")
        someone.page.clock.run_for(61_000)
        expect(again).to_have_text("Send a new code")
        expect(again).not_to_have_attribute("aria-disabled", "true")


def test_without_scripts_a_wait_is_a_sentence(dev: Development, browser: Browser) -> None:
    with person(browser, dev, java_script_enabled=False) as someone:
        someone.go("/account/reset")
        someone.fill(email="nobody@example.org")
        someone.press("Send the code", "Enter the code from your mail")
        expect(someone.page.get_by_text("You can do this in")).to_be_visible()
        someone.press("Send a new code", "Enter the code from your mail")
        expect(someone.page.get_by_role("alert")).to_contain_text("A code was sent a moment ago.")


def test_everything_is_done_by_keyboard(dev: Development, browser: Browser) -> None:
    with person(browser, dev) as someone:
        someone.go("/account")
        keyboard = someone.page.keyboard
        expect(someone.page.locator("#username")).to_be_focused()
        keyboard.type(EMAIL)
        keyboard.press("Tab")
        keyboard.type("wrong")
        keyboard.press("Tab")
        keyboard.press("Space")
        expect(someone.page.locator("#password")).to_have_attribute("type", "text")
        keyboard.press("Tab")
        keyboard.press("Enter")
        expect(someone.page.get_by_role("alert")).to_be_focused()
        keyboard.press("Tab")
        keyboard.press("Enter")
        expect(someone.page.locator("#password")).to_be_focused()
        keyboard.type(dev.password)
        keyboard.press("Enter")
        expect(someone.page.get_by_role("heading", level=1)).to_have_text("Your account")
        keyboard.press("Tab")
        expect(someone.page.get_by_text("Skip to the content")).to_be_focused()


def test_codes_are_copied_and_rules_are_ticked(dev: Development, browser: Browser) -> None:
    permissions = ["clipboard-read", "clipboard-write"]
    with person(browser, dev, permissions=permissions) as someone:
        someone.go("/account")
        someone.sign_in(dev.password, "Your account")
        someone.go("/account/password")
        someone.fill(new_password="abcdefgh")
        expect(someone.page.locator(".rules .kept")).to_have_count(2)
        someone.go("/account/totp")
        someone.press("Set it up", "Set up your authenticator app")
        secret = someone.page.locator("#secret")
        someone.page.locator("summary").click()
        someone.page.get_by_role("button", name="Copy").click()
        expect(someone.page.get_by_role("button", name="Copied")).to_be_visible()
        assert someone.page.evaluate("navigator.clipboard.readText()") == secret.inner_text()


def test_a_second_click_does_not_send_a_form_twice(dev: Development, browser: Browser) -> None:
    with person(browser, dev) as someone:
        sent: list[str] = []
        someone.page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
        someone.go("/account")
        someone.fill(username=EMAIL, password=dev.password)
        someone.page.get_by_role("button", name="Sign in").dblclick()
        expect(someone.page.get_by_role("heading", level=1)).to_have_text("Your account")
        assert len(sent) == 1


def test_an_app_gets_its_user_back_by_a_form_that_ends_at_another_origin(
    tmp_path_factory: pytest.TempPathFactory, page: Page
) -> None:
    folder = tmp_path_factory.mktemp
    with development(folder("app")) as app, development(folder("dev"), DOORWARD_RETURN_ORIGINS=app.url) as dev:
        back = f"{app.url}/health/live"
        page.goto(f"{dev.url}/account/sign-in?return_to={back}")
        page.locator("#username").fill(EMAIL)
        page.locator("#password").fill(dev.password)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(back)
