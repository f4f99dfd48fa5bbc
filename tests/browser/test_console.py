"""The console in a real browser: two languages, two themes, with scripts and without; axe finds nothing."""

from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.browser.people import LOOKS, NAMES, Person, person
from tests.gallery.console import PEOPLE, REASON, give_second_factor, seed, type_password, type_recovery_code
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
    type_password(someone.dev, someone.page)
    codes = give_second_factor(someone.dev)
    someone.go("/admin")
    someone.page.get_by_role("button", name="Sign in again").click()
    return codes


def _sign_in(someone: Person, code: str) -> None:
    type_password(someone.dev, someone.page)
    type_recovery_code(someone.dev, someone.page, code)
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
    someone.press("Invite somebody", "Invite somebody")
    someone.press("Mail the code", "Invite somebody")
    expect(someone.page.locator("#email-problem")).to_be_visible()
    someone.go("/admin/no-such-page")
    expect(someone.page.get_by_role("heading", level=1)).to_have_text(someone.say("There is no such page"))
    someone.go("/admin/users?q=ann.")
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
