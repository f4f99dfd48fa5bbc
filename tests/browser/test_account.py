"""The account pages in a real browser: two languages, two themes, with scripts and without; axe finds nothing."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.people import EMAIL, LOOKS, NAMES, Person, person, with_totp
from tests.support.development import Development, development

NEW_PASSWORD = "Another-Horse-2"


@pytest.fixture
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Development]:
    """One of its own for each test, which changes its user."""
    with development(tmp_path_factory.mktemp("dev")) as running:
        yield running


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
    someone.press("Use a recovery code (from your list)", "Enter a recovery code")
    someone.fill(code=code.lower())
    someone.press("Continue", "Codes by email")


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
    someone.press("Continue", "Choose a new password")
    someone.fill(new_password="short")
    someone.press("Set the password", "Choose a new password")
    someone.fill(new_password=NEW_PASSWORD)
    someone.press("Set the password", "Sign in")


def _lose_the_phone(someone: Person, code: str) -> None:
    someone.sign_in(NEW_PASSWORD, "Enter the code from your authenticator app")
    someone.press("Use a recovery code (from your list)", "Enter a recovery code")
    someone.fill(code=code)
    someone.press("Continue", "Your account")
    someone.press("Set up the app on your new phone", "Set up your authenticator app")
    someone.fill(code="12345O")
    someone.press("Use this phone", "Set up your authenticator app")
    expect(someone.page.locator("#code")).to_be_focused()
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
        expect(someone.page.get_by_role("status").first).to_contain_text("Lost-Laptop/1.0 is signed out.")
        expect(someone.page.get_by_role("heading", name="Lost-Laptop")).to_have_count(0)
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
