"""Somebody in front of the pages, in a real browser: each state they see is held against what every page has to be."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import httpx
import pyotp
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # it has no types
from playwright.sync_api import Browser, Page, expect

from doorward.http.pages.fields import WRONG_LENGTH
from doorward.i18n import translations
from tests.support.browser import TIMEOUT_MS
from tests.support.development import Development

EMAIL = "you@example.org"
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
    expect(someone.page.locator("#code")).to_be_focused()
    expect(someone.page.locator("h2").first).to_be_in_viewport(ratio=1)
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
