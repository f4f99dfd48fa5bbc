"""The console in a real browser: two languages, two themes, with scripts and without; axe finds nothing."""

from pathlib import Path

import httpx
import pyotp
from playwright.sync_api import Browser, expect

from tests.browser.people import EMAIL, LOOKS, NAMES, Person, person
from tests.gallery.console import PEOPLE, REASON, seed
from tests.support.development import development

WALKED = [look for look, name in zip(LOOKS, NAMES, strict=True) if name != "narrow-german"]
"""English with scripts in a wide window, German without in a narrow one."""


def test_an_administrator_walks_the_console(tmp_path: Path, browser: Browser) -> None:
    with development(tmp_path) as dev:
        seed(tmp_path)
        codes: list[str] = []
        for look in WALKED:
            with person(browser, dev, **look) as someone:
                codes = codes or _set_up(someone)
                _sign_in(someone, codes.pop())
                _walk_health(someone)
                _walk_users(someone)
                if look is WALKED[0]:
                    someone.press("Users", "Users")
                    someone.press("Mails", "Mails")


def _set_up(someone: Person) -> list[str]:
    """Sign in with a password, then get a second factor elsewhere: the console asks for both in one session."""
    _type_password(someone)
    with httpx.Client(base_url=someone.dev.url) as client:
        login = {"username": EMAIL, "password": someone.dev.password}
        refresh = client.post("/auth/login", json=login).text
        access = client.get("/auth/accesstoken", headers={"Authorization": f"Bearer {refresh}"}).text
        client.headers["Authorization"] = f"Bearer {access}"
        authenticator = pyotp.parse_uri(client.post("/user/2fa/totp/setup").json()["url"])
        assert isinstance(authenticator, pyotp.TOTP)
        enabled = client.post("/user/2fa/totp/enable", json={"totp": authenticator.now()})
    someone.go("/admin")
    someone.page.get_by_role("button", name="Sign in again").click()
    codes: list[str] = enabled.json()["recoveryCodes"]
    return codes


def _type_password(someone: Person) -> None:
    someone.page.goto(f"{someone.dev.url}/account/sign-in?next=/admin")
    someone.fill(username=EMAIL, password=someone.dev.password)
    someone.page.locator("main button.main").click()


def _sign_in(someone: Person, code: str) -> None:
    _type_password(someone)
    someone.page.goto(f"{someone.dev.url}/account/second-factor?method=recovery-code&next=/admin")
    someone.fill(code=code)
    someone.page.locator("main button.main").click()
    expect(someone.page.get_by_role("heading", level=1)).to_have_text(someone.say("Health"))


def _walk_health(someone: Person) -> None:
    if someone.copy is None:
        someone.page.locator("summary").click()
        expect(someone.page.get_by_role("table")).to_be_visible()
    expect(someone.page.get_by_role("img", name=someone.say("Signed in"))).to_be_visible()
    someone.look()


def _walk_users(someone: Person) -> None:
    someone.page.locator("#q").fill("ANN.")
    someone.page.locator("#q").press("Enter")
    expect(someone.page.get_by_role("heading", level=1)).to_have_text(someone.say("Users"))
    someone.page.get_by_role("link", name=PEOPLE[0]).click()
    someone.page.get_by_role("link", name=someone.say("Disable the account")).click()
    someone.press("Disable it", "Disable the account?")
    expect(someone.page.locator("#reason-problem")).to_be_visible()
    someone.fill(reason=REASON)
    someone.press("Disable it", PEOPLE[0])
    expect(someone.page.locator(".findings .bad")).to_have_count(1)
    someone.page.get_by_role("link", name=someone.say("Enable the account")).click()
    someone.fill(reason=REASON)
    someone.page.locator("main button.main").click()
    expect(someone.page.get_by_role("status").first).to_have_text(someone.say("The account is enabled again."))
