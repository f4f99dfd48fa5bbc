"""The account pages over HTTP: cookies, form tokens, headers, redirects, and each flow once."""

import re
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pyotp
import pytest
import sqlalchemy as sa

from doorward.core.tables import sessions
from doorward.http.pages import PAGES
from tests.support.person import OTP_ADDRESS, Person, notices, wrong_code
from tests.support.service import EMAIL, PASSWORD, PUBLIC_URL, Service
from tests.support.visitor import SAME_ORIGIN, Visitor

NEW_PASSWORD = "Another-Horse-2"
APP = "https://app.example.org"
LARGEST_PAGE = 50_000


def signed_in(service: Service, path: str = "/account") -> Visitor:
    """A user without a second factor, at the page."""
    service.add_user()
    visitor = Visitor.at(service, "/account/sign-in")
    visitor.sign_in()
    visitor.go(path)
    return visitor


def with_totp(service: Service) -> tuple[Person, Visitor]:
    """A user with an authenticator, signed in by both steps."""
    person = Person.at(service)
    person.enable_totp()
    visitor = Visitor.at(service, "/account/sign-in")
    visitor.sign_in()
    visitor.send("/account/second-factor", code=service.next_totp_code(person.authenticator))
    assert visitor.path == "/account"
    return person, visitor


def by_recovery_code(
    service: Service, enable: Callable[[Person], object] = Person.enable_totp
) -> tuple[Person, Visitor]:
    """A user with that second factor, at the first page after a sign-in with a recovery code."""
    person = Person.at(service)
    enable(person)
    visitor = Visitor.at(service, "/account/sign-in")
    visitor.sign_in()
    visitor.go("/account/second-factor?method=recovery-code")
    visitor.send("/account/second-factor", code=person.recovery_codes[0])
    return person, visitor


def shown_authenticator(visitor: Visitor) -> pyotp.TOTP:
    """An app that has scanned the page's code."""
    secret = re.search(r'id="secret"[^>]*>([^<]+)<', visitor.page.text)
    assert secret is not None
    return pyotp.TOTP(secret[1].replace(" ", ""))


def living_sessions(service: Service) -> int:
    with service.doorward.env.db.read() as tx:
        count = sa.select(sa.func.count()).select_from(sessions).where(sessions.c.ended_at.is_(None))
        return int(tx.execute(count).scalar_one())


# -- signing in


def test_a_page_asks_to_sign_in_and_then_goes_on(service: Service) -> None:
    service.add_user()
    visitor = Visitor.at(service, "/account/sessions")
    assert visitor.path == "/account/sign-in?next=/account/sessions"
    visitor.sign_in()
    assert visitor.path == "/account/sessions"
    assert "this device" in visitor.text


def test_every_failed_login_reads_the_same_and_keeps_the_name_but_not_the_password(service: Service) -> None:
    service.add_user()
    seen = []
    for name in (EMAIL, "nobody@example.org"):
        visitor = Visitor.at(service, "/account/sign-in")
        answer = visitor.sign_in(name, "Wrong-Horse-9")
        assert answer.status_code == 422
        assert f'value="{name}"' in answer.text
        assert "Wrong-Horse-9" not in answer.text
        assert "<title>Error:" in answer.text
        assert '<a href="#password">Email address, username or password is wrong.</a>' in answer.text
        assert '<a href="/account/reset">Choose a new password</a>' in answer.text
        seen.append(visitor.text.replace(name, ""))
    assert seen[0] == seen[1]


def test_a_wait_is_told_in_words_and_seconds(service: Service) -> None:
    service.add_user()
    visitor = Visitor.at(service, "/account/sign-in")
    for _ in range(5):
        visitor.sign_in(password="Wrong-Horse-9")
    answer = visitor.sign_in()
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "1"
    assert 'data-wait="1"' in answer.text
    assert "You can try again in 1 second." in visitor.text
    service.clock.advance(1)
    visitor.sign_in()
    assert visitor.path == "/account"


def test_the_second_step_takes_a_code_with_spaces(service: Service) -> None:
    person = Person.at(service)
    person.enable_totp()
    visitor = Visitor.at(service, "/account/totp")
    visitor.sign_in()
    assert visitor.path == "/account/second-factor?next=/account/totp"
    assert visitor.cookie("session") is None
    assert f"Signing in as {EMAIL} · Not you?" in visitor.text
    assert (
        "No phone at hand? Use a recovery code (from your list) "
        "None of these? Ask whoever runs auth.example.org for you." in visitor.text
    )
    visitor.send("/account/second-factor", code="12 34")
    assert visitor.text.count("The code has 6 digits.") == 1  # beside the field, which has the focus
    assert re.search(r'<input class="code"[^>]* autofocus[^>]* aria-invalid="true"', visitor.page.text)
    visitor.send("/account/second-factor", code="12345O")
    assert "The code has digits only" in visitor.text
    visitor.send("/account/second-factor", code=person.wrong_totp())
    assert "This code is wrong or was used already." in visitor.text
    assert "If it has several entries for this account, use the newest." in visitor.text
    code = service.next_totp_code(person.authenticator)
    visitor.send("/account/second-factor", code=f" {code[:3]} {code[3:]}\u2011")
    assert visitor.path == "/account/totp"  # the factor just shown holds for it
    assert visitor.cookie("partial") is None


def test_a_lost_phone_is_no_way_out_but_a_recovery_code_is_a_way_in(service: Service) -> None:
    person = Person.at(service)
    person.enable_totp()
    visitor = Visitor.at(service, "/account/sign-in")
    visitor.sign_in()
    visitor.go("/account/second-factor?method=recovery-code")
    visitor.send("/account/second-factor", code="ABCD")
    assert "A recovery code has 16 characters." in visitor.text
    code = person.recovery_codes[0].lower()
    visitor.send("/account/second-factor", code=f"{code[:4]}-{code[4:8]} {code[8:]}")
    assert visitor.path == "/account"
    assert "9 left" in visitor.text
    assert "You used a recovery code; 9 are left. Lost your phone?" in visitor.text


def test_after_a_recovery_code_the_new_phone_is_two_steps_away_and_asks_for_no_second_code(service: Service) -> None:
    person, visitor = by_recovery_code(service)
    visitor.send("/account/totp")
    assert visitor.path == "/account/totp/set-up"
    assert "1. Scan this with an authenticator app on your new phone For example Aegis" in visitor.text
    assert "Codes from your old phone then stop working. Use this phone" in visitor.text
    service.clock.advance(30)
    visitor.send("/account/totp/set-up", code=service.totp_code(shown_authenticator(visitor)))
    assert visitor.path == "/account"
    told = "Your new phone works now. Codes from the old one no longer work. You have 9 recovery codes left."
    assert told in visitor.text
    assert "Lost your phone?" not in visitor.text
    service.clock.advance(30)
    assert person.guess_totp(person.partial, service.totp_code(person.authenticator)).status_code == 401
    assert notices(service, EMAIL)[-1] == "Authenticator app replaced for your auth.example.org account"
    visitor.go("/account/activity")
    assert "The authenticator app was replaced by a new one" in visitor.text
    assert visitor.text.count("The authenticator app was switched on") == 1


def test_who_still_has_the_phone_is_not_asked_again_in_this_session(service: Service) -> None:
    person, visitor = by_recovery_code(service)
    visitor.send("/account")
    assert "Lost your phone?" not in visitor.text
    visitor.go("/account")
    assert "Lost your phone?" not in visitor.text
    visitor.send("/account/sign-out")
    visitor.sign_in()
    visitor.go("/account/second-factor?method=recovery-code")
    visitor.send("/account/second-factor", code=person.recovery_codes[1])
    assert "You used a recovery code; 8 are left. Lost your phone?" in visitor.text


def test_a_recovery_code_in_place_of_a_mail_leads_to_another_address(service: Service) -> None:
    _, visitor = by_recovery_code(service, Person.enable_email_otp)
    assert "Can’t you reach your mailbox any more? Get your codes at another address" in visitor.text
    service.clock.advance(60)
    visitor.go("/account/email-otp")
    visitor.send("/account/email-otp", email="new@example.org")
    visitor.send("/account/email-otp/code", code=service.mailed_code("new@example.org"))
    assert "Your codes go to new@example.org." in visitor.text
    assert "mailbox any more" not in visitor.text


def test_a_form_that_was_left_empty_says_so_at_each_field(service: Service) -> None:
    visitor = signed_in(service, "/account/password")
    visitor.send("/account/password", old_password="", new_password="")
    for name, words in (("old_password", "Enter your current password."), ("new_password", "Enter a new password.")):
        assert f'<a href="#{name}">{words}</a>' in visitor.page.text
        assert f'id="{name}-problem"' in visitor.page.text
    visitor.send("/account/sign-out")
    visitor.sign_in("", "")
    assert visitor.page.text.count('aria-invalid="true"') == 2
    assert '<a href="#username">Enter your email address or username.</a>' in visitor.page.text


def test_the_bare_address_leads_a_browser_to_the_account(service: Service) -> None:
    browser = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
    for verb in ("GET", "HEAD"):
        answer = service.client.request(verb, "/", headers=browser)
        assert (answer.status_code, answer.headers["Location"]) == (303, "/account")
    for verb, accept in (("GET", "*/*"), ("GET", "application/json"), ("GET", "text/html;q=0"), ("POST", "text/html")):
        assert service.client.request(verb, "/", headers={"Accept": accept}).status_code == 404


def test_where_mail_is_the_only_second_step_the_code_is_sent_at_once(service: Service) -> None:
    person = Person.at(service)
    person.enable_email_otp()
    service.clock.advance(60)
    visitor = Visitor.at(service, "/account/sign-in")
    visitor.sign_in()
    assert "We sent it to" in visitor.text
    assert "is on its way" not in visitor.text
    assert OTP_ADDRESS not in visitor.text
    answer = visitor.send("/account/second-factor/send")
    assert answer.status_code == 429
    assert "You can ask for another one in 1 minute." in visitor.text
    code = service.mailed_code(OTP_ADDRESS)
    visitor.send("/account/second-factor", code=wrong_code(code))
    assert "Check the newest mail" in visitor.text
    visitor.send("/account/second-factor", code=code)
    assert visitor.path == "/account"


def test_a_second_step_that_took_too_long_begins_again(service: Service) -> None:
    person = Person.at(service)
    person.enable_totp()
    visitor = Visitor.at(service, "/account/sign-in")
    visitor.sign_in()
    service.clock.advance(301)
    visitor.send("/account/second-factor", code=service.totp_code(person.authenticator))
    assert visitor.path == "/account/sign-in"
    assert "Signing in took too long" in visitor.text


def test_signing_out_ends_the_session_and_clears_its_cookies(service: Service) -> None:
    visitor = signed_in(service)
    visitor.send("/account/sign-out")
    assert visitor.path == "/account/sign-in"
    assert "You are signed out." in visitor.text
    assert visitor.cookie("session") is None
    assert living_sessions(service) == 0
    visitor.go("/account/sign-in")
    assert "You are signed out." not in visitor.text  # told once


def test_a_session_ended_elsewhere_is_told_at_the_next_page(service: Service) -> None:
    visitor = signed_in(service)
    other = Visitor.at(service, "/account/sign-in")
    other.sign_in()
    other.go("/account/sessions")
    other.send("/account/sessions")
    visitor.go("/account/activity")
    assert visitor.path == "/account/sign-in?next=/account/activity"


# -- cookies, form tokens, headers


def test_cookies_are_kept_from_scripts_other_sites_and_other_hosts(service: Service) -> None:
    service.add_user()
    visitor = Visitor.at(service, "/account/sign-in")
    sent = visitor.client.post(
        "/account/sign-in",
        data=visitor.hidden("/account/sign-in") | {"username": EMAIL, "password": PASSWORD},
        headers=SAME_ORIGIN,
    )
    (cookie,) = [each for each in sent.headers.get_list("set-cookie") if "session=" in each]
    assert cookie.startswith("__Host-doorward-session=")
    assert cookie.endswith("; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=1209600")


def test_over_http_on_localhost_cookies_are_not_for_https_only(start: Callable[..., Service]) -> None:
    service = start(public_url="http://localhost:8000")
    answer = service.client.get("/account/sign-in")
    (cookie,) = answer.headers.get_list("set-cookie")
    assert re.fullmatch(r"doorward-browser=[\w-]+; Path=/; HttpOnly; SameSite=Lax", cookie)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://attacker.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site", "Origin": PUBLIC_URL},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
    ],
)
def test_a_form_that_another_site_sent_does_nothing(service: Service, headers: dict[str, str]) -> None:
    visitor = signed_in(service)
    form = visitor.hidden("/account/sign-out")
    assert visitor.client.post("/account/sign-out", data=form, headers=headers).status_code in {303, 403}
    assert living_sessions(service) == 1


def test_a_form_without_its_token_or_with_anothers_does_nothing(service: Service) -> None:
    visitor = signed_in(service, "/account/password")
    typed = {"old_password": PASSWORD, "new_password": NEW_PASSWORD}
    stranger = Visitor.at(service, "/account/sign-in").hidden("/account/sign-in")["form_token"]
    for token in ({}, {"form_token": ""}, {"form_token": stranger}, {"form_token": "\u2603"}):
        answer = visitor.client.post("/account/password", data=typed | token, headers=SAME_ORIGIN)
        assert answer.status_code == 403
        assert "please try again" in answer.text
    service.login()


def test_a_form_token_is_good_for_one_session_only(service: Service) -> None:
    service.add_user()
    visitor = Visitor.at(service, "/account/sign-in")
    before = visitor.hidden("/account/sign-in")
    visitor.sign_in()
    answer = visitor.client.post("/account/sign-out", data=before, headers=SAME_ORIGIN)
    assert visitor.cookie("session") is not None
    assert answer.headers["Location"] == "/account"
    assert living_sessions(service) == 1


def test_a_form_works_where_a_browser_tells_nothing_of_its_origin(service: Service) -> None:
    visitor = signed_in(service)
    form = visitor.hidden("/account/sign-out")
    assert visitor.client.post("/account/sign-out", data=form).headers["Location"] == "/account/sign-in"


def test_every_page_is_closed_to_frames_caches_scripts_and_other_hosts(service: Service) -> None:
    _, visitor = with_totp(service)
    for path in PAGES:
        answer = visitor.client.get(f"/account{path}")
        assert answer.status_code in {200, 303}, path
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["x-content-type-options"] == "nosniff"
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; form-action 'self';" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        if answer.status_code == 200:
            assert not re.search(
                r"<style|style=|<script(?! src=)| on\w+=|(?:src|href|action)=\"https?:", answer.text
            ), path
            weight = len(answer.content)
            for url in re.findall(r'(?:src|href)="(/account/[a-z./]*\?[^"]*v=[^"]+)"', answer.text):
                weight += len(visitor.client.get(url).content)
            assert weight < LARGEST_PAGE, path


def test_files_of_the_pages_may_be_kept_for_ever_since_their_address_names_their_content(service: Service) -> None:
    page = service.client.get("/account/sign-in").text
    urls = re.findall(r'"(/account/assets/[^"]+)"', page)
    assert len(urls) == 3
    for url in urls:
        answer = service.client.get(url)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]


def test_no_secret_is_in_an_address(service: Service) -> None:
    service.add_user()
    visitor = Visitor.at(service, "/account/reset")
    visitor.send("/account/reset", email=EMAIL)
    code = service.mailed_code(EMAIL)
    visitor.send("/account/reset/code", code=code)
    assert visitor.path == "/account/reset/password"
    assert EMAIL.partition("@")[0] not in visitor.path


# -- where people go


@pytest.mark.parametrize(
    "next_page",
    [
        "https://attacker.example/",
        "//attacker.example/account",
        "/\\attacker.example",
        "/account/../auth/logout",
        "/account//attacker.example",
        "/account/sign-in@attacker.example",
        "javascript:alert(1)",
        "/account/\nx",
    ],
)
def test_next_leads_to_own_pages_only(service: Service, next_page: str) -> None:
    service.add_user()
    visitor = Visitor.at(service)
    visitor.page = visitor.client.get("/account/sign-in", params={"next": next_page})
    visitor.sign_in()
    assert visitor.path == "/account"


@pytest.mark.parametrize(
    "return_to",
    [
        "https://attacker.example/",
        "https://app.example.org.attacker.example/",
        "https://app.example.org@attacker.example/",
        "https://user@app.example.org/",
        "http://app.example.org/",
        "https://app.example.org:8443/",
        "//app.example.org/",
        "/\\app.example.org",
        "javascript://app.example.org/%0aalert(1)",
        "https://app.example.org\\@attacker.example",
        "https://app.example.org/\r\nSet-Cookie: x=y",
        "https://[app.example.org",
        f"https://app.example.org/{'x' * 2000}",
    ],
)
def test_return_to_leads_to_allowed_origins_only(start: Callable[..., Service], return_to: str) -> None:
    service = start(return_origins=APP)
    service.add_user()
    visitor = Visitor.at(service)
    visitor.page = visitor.client.get("/account/sign-in", params={"return_to": return_to})
    assert "Back to" not in visitor.text
    visitor.sign_in()
    assert visitor.path == "/account"


def test_an_app_gets_its_user_back_after_signing_in(start: Callable[..., Service]) -> None:
    service = start(return_origins=APP)
    service.add_user()
    back = f"{APP}/inbox?folder=1&sort=new#top"
    visitor = Visitor.at(service)
    visitor.page = visitor.client.get("/account/sign-in", params={"return_to": back})
    assert "Then you go on to app.example.org." in visitor.text
    assert f"form-action 'self' {APP};" in visitor.page.headers["content-security-policy"]
    answer = visitor.sign_in()
    assert answer.status_code == 303
    assert answer.headers["Location"] == back
    visitor.go("/account")
    assert "Back to" not in visitor.text  # the person has been there


def test_an_app_sends_its_user_to_a_page_and_gets_them_back_when_it_is_done(start: Callable[..., Service]) -> None:
    service = start(return_origins=APP)
    service.add_user()
    visitor = Visitor.at(service)
    visitor.page = visitor.client.get("/account/password", params={"return_to": f"{APP}/me"})
    visitor._follow()
    visitor.sign_in()
    assert visitor.path == "/account/password"
    visitor.send("/account/password", old_password=PASSWORD, new_password=NEW_PASSWORD)
    assert visitor.path == "/account"
    assert f'<a class="button" href="{APP}/me">' in visitor.page.text


def test_password_managers_find_the_change_of_password(service: Service) -> None:
    answer = service.client.get("/.well-known/change-password")
    assert answer.status_code == 302
    assert answer.headers["Location"] == "/account/password"


# -- the flows


def test_a_forgotten_password_is_reset(service: Service) -> None:
    service.add_user()
    visitor = Visitor.at(service, "/account/reset")
    visitor.send("/account/reset", email="no address")
    assert "Write the address like name@example.org." in visitor.text
    assert 'value="no address"' in visitor.page.text
    visitor.send("/account/reset", email=f" {EMAIL} ")
    assert visitor.path == "/account/reset/code"
    code = service.mailed_code(EMAIL)
    visitor.send("/account/reset/code", code=wrong_code(code))
    assert visitor.page.status_code == 422
    visitor.send("/account/reset/code", code=f"{code[:3]} {code[3:]}")
    visitor.send("/account/reset/password", new_password="short")
    assert "The password needs a capital letter" in visitor.text
    visitor.send("/account/reset/password", new_password=NEW_PASSWORD)
    assert visitor.path == "/account/sign-in"
    visitor.sign_in(password=NEW_PASSWORD)
    assert visitor.path == "/account"


def test_an_unknown_address_sees_the_same_pages(service: Service) -> None:
    service.add_user()
    seen = []
    for email in (EMAIL, "nobody@example.org"):
        visitor = Visitor.at(service, "/account/reset")
        visitor.send("/account/reset", email=email)
        texts = [visitor.text]
        answer = visitor.send("/account/reset/send")
        texts += [str(answer.status_code), visitor.text]
        answer = visitor.send("/account/reset/code", code="000000")
        texts += [str(answer.status_code), visitor.text]
        seen.append([text.replace(email, "") for text in texts])
    assert seen[0] == seen[1]


def test_an_expired_code_reads_differently_from_a_wrong_one(service: Service) -> None:
    service.add_user()
    seen = []
    for email in (EMAIL, "nobody@example.org"):
        visitor = Visitor.at(service, "/account/reset")
        visitor.send("/account/reset", email=email)
        visitor.send("/account/reset/code", code="000000")
        assert "This code is wrong or has expired." in visitor.text
        service.clock.advance(600)
        visitor.send("/account/reset/code", code="000000")
        assert "This code has expired. Ask for a new one below." in visitor.text
        seen.append(visitor.text.replace(email, ""))
    assert seen[0] == seen[1]


def test_a_reset_goes_on_in_another_browser_with_the_address(service: Service) -> None:
    service.add_user()
    Visitor.at(service, "/account/reset").send("/account/reset", email=EMAIL)
    visitor = Visitor.at(service, "/account/reset/code")
    visitor.send("/account/reset/code", email=EMAIL, code=service.mailed_code(EMAIL))
    assert visitor.path == "/account/reset/password"


def test_a_reset_that_took_too_long_begins_again_with_the_address(service: Service) -> None:
    service.add_user()
    visitor = Visitor.at(service, "/account/reset")
    visitor.send("/account/reset", email=EMAIL)
    visitor.send("/account/reset/code", code=service.mailed_code(EMAIL))
    service.clock.advance(600)
    visitor.send("/account/reset/password", new_password=NEW_PASSWORD)
    assert visitor.path == "/account/reset"
    assert "Ask for a new one." in visitor.text


def test_the_password_is_changed_and_this_session_stays(service: Service) -> None:
    visitor = signed_in(service, "/account/password")
    service.login()
    assert living_sessions(service) == 2
    visitor.send("/account/password", old_password="Wrong-Horse-9", new_password=NEW_PASSWORD)
    assert "username or password is wrong" not in visitor.text
    assert "This is not your current password." in visitor.text
    assert "Wrong-Horse-9" not in visitor.page.text
    assert NEW_PASSWORD not in visitor.page.text
    visitor.send("/account/password", old_password=PASSWORD, new_password=NEW_PASSWORD)
    assert visitor.path == "/account"
    assert "Your password is changed." in visitor.text
    assert living_sessions(service) == 1


def test_an_authenticator_is_set_up_and_the_codes_are_shown_until_they_are_saved(service: Service) -> None:
    visitor = signed_in(service, "/account/totp")
    visitor.send("/account/totp")
    assert visitor.path == "/account/totp/set-up"
    assert "<svg" in visitor.page.text
    assert re.search(r'<input class="code"[^>]* autofocus', visitor.page.text)
    assert "old phone" not in visitor.text
    authenticator = shown_authenticator(visitor)
    visitor.send("/account/totp/set-up", code=wrong_code(service.totp_code(authenticator)))
    assert "Use the newest Doorward entry in your app; if there is none, scan again." in visitor.text
    assert shown_authenticator(visitor).secret == authenticator.secret
    visitor.send("/account/totp/set-up", code=service.totp_code(authenticator))
    codes = re.findall(r"<li>([0-9A-Z]{4}(?:-[0-9A-Z]{4}){3})</li>", visitor.page.text)
    assert len(codes) == 10
    assert visitor.go("/account/recovery-codes/new").text.count(codes[0]) == 1
    file = visitor.client.get("/account/recovery-codes/download")
    assert file.headers["content-disposition"].startswith("attachment")
    assert all(code in file.text for code in codes)
    visitor.send("/account/recovery-codes/new")
    assert visitor.path == "/account"
    visitor.go("/account/recovery-codes/new")
    assert codes[0] not in visitor.page.text


def test_step_up_says_what_it_is_for_and_goes_on_to_it(service: Service) -> None:
    person, visitor = with_totp(service)
    visitor.go("/account/totp/remove")
    assert visitor.path == "/account/totp/remove"  # the sign-in's second factor is fresh
    service.clock.advance(301)
    visitor.send("/account/totp/remove")
    assert visitor.path == "/account/confirm?next=/account/totp/remove"
    assert "Before you remove your authenticator app, confirm that it’s you. This holds for 5 minutes." in visitor.text
    visitor.send("/account/confirm", code=service.next_totp_code(person.authenticator))
    assert visitor.path == "/account/totp/remove"
    visitor.send("/account/totp/remove")
    assert visitor.path == "/account"
    assert "Your authenticator app is switched off." in visitor.text


def test_a_sudo_token_of_another_session_does_not_serve(service: Service) -> None:
    person, visitor = with_totp(service)
    other = Visitor.at(service, "/account/sign-in")
    other.sign_in()
    other.send("/account/second-factor", code=service.next_totp_code(person.authenticator))
    visitor.client.cookies.set("__Host-doorward-sudo", other.cookie("sudo") or "", domain="auth.example.org", path="/")
    visitor.client.cookies.delete("__Host-doorward-session", domain="auth.example.org", path="/")
    visitor.client.cookies.set("__Host-doorward-session", person.refresh, domain="auth.example.org", path="/")
    visitor.go("/account/email")
    assert visitor.path.startswith("/account/confirm")


def test_codes_by_mail_are_set_up_and_removed(service: Service) -> None:
    visitor = signed_in(service, "/account/email-otp")
    visitor.send("/account/email-otp", email=OTP_ADDRESS)
    assert OTP_ADDRESS in visitor.text
    assert visitor.send("/account/email-otp/send").status_code == 429
    visitor.send("/account/email-otp/code", code=service.mailed_code(OTP_ADDRESS))
    assert visitor.path == "/account/recovery-codes/new"
    visitor.send("/account/recovery-codes/new")
    visitor.go("/account/email-otp/remove")
    assert visitor.path.startswith("/account/confirm")
    service.clock.advance(60)
    visitor.send("/account/confirm/send")
    visitor.send("/account/confirm", code=service.mailed_code(OTP_ADDRESS))
    visitor.send("/account/email-otp/remove")
    assert "Codes by email are switched off." in visitor.text


def test_new_recovery_codes_end_the_old_ones(service: Service) -> None:
    person, visitor = with_totp(service)
    visitor.go("/account/recovery-codes")
    assert visitor.text.index("stop working at once") < visitor.text.index("Make new codes")
    visitor.send("/account/recovery-codes")
    assert visitor.path == "/account/recovery-codes/new"
    assert person.guess_recovery_code(person.partial, person.recovery_codes[0]).status_code == 401


def test_the_address_is_changed_by_a_code_to_the_new_one(service: Service) -> None:
    visitor = signed_in(service, "/account/email")
    visitor.send("/account/email", email=" ")
    assert "Enter the new address." in visitor.text
    visitor.send("/account/email", email=f" {EMAIL.upper()}")
    assert "This is your address already. Enter the new one." in visitor.text
    visitor.send("/account/email", email="new@example")
    assert "Write the address like name@example.org." in visitor.text
    visitor.send("/account/email", email="new@example.org")
    assert visitor.path == "/account/email/code"
    assert "is on its way" not in visitor.text
    visitor.send("/account/email/code", code=service.mailed_code("new@example.org"))
    assert visitor.path == "/account"
    assert "Your email address is now new@example.org. Use it to sign in from now on." in visitor.text


def test_who_left_the_page_of_the_code_finds_back_to_it_while_the_code_is_good(service: Service) -> None:
    visitor = signed_in(service, "/account/email")
    way = '<p>We sent a code to new@example.org. <a href="/account/email/code">Enter it</a></p>'
    assert "We sent a code" not in visitor.text
    visitor.send("/account/email", email="new@example.org")
    assert way in visitor.go("/account/email").text
    answer = visitor.send("/account/email", email="newer@example.org")
    assert answer.status_code == 429
    assert way in answer.text
    service.clock.advance(600)
    assert way not in visitor.go("/account/email").text
    visitor.send("/account/email", email="new@example.org")
    assert way in visitor.go("/account/email").text
    visitor.go("/account/email/code")
    for _ in range(5):
        visitor.send("/account/email/code", code=wrong_code(service.mailed_code("new@example.org")))
    assert way not in visitor.go("/account/email").text


def test_in_a_network_of_ones_own_a_domain_may_have_no_dot(service: Service) -> None:
    service.add_user("ann@intranet")
    visitor = Visitor.at(service, "/account/email")
    visitor.sign_in("ann@intranet")
    visitor.send("/account/email", email="bob@intranet")
    assert visitor.path == "/account/email/code"


def test_an_address_that_another_account_has_is_told_once_its_code_was_right(service: Service) -> None:
    service.add_user("taken@example.org")
    visitor = signed_in(service, "/account/email")
    visitor.send("/account/email", email="taken@example.org")
    visitor.send("/account/email/code", code=service.mailed_code("taken@example.org"))
    assert "Another account has this address." in visitor.text


def test_sessions_are_listed_and_ended(service: Service) -> None:
    visitor = signed_in(service)
    phone = Visitor.at(
        service, "/account/sign-in", **{"User-Agent": "Mozilla/5.0 (iPhone) Version/18.0 Mobile Safari/604.1"}
    )
    phone.sign_in()
    visitor.go("/account/sessions")
    assert "Safari on iPhone" in visitor.text
    visitor.send("/account/sessions", session=visitor.hidden("/account/sessions")["session"])
    assert "Safari on iPhone is signed out. Somebody else had it? Change your password" in visitor.text
    visitor.go("/account/sessions")
    assert "Safari on iPhone" not in visitor.text
    visitor.go("/account/activity")
    assert "You signed out Safari on iPhone" in visitor.text
    phone.go("/account")
    assert phone.path == "/account/sign-in"


def test_sessions_that_look_the_same_tell_their_seconds(service: Service) -> None:
    visitor = signed_in(service, "/account/sessions")
    assert "data-seconds" not in visitor.page.text
    service.clock.advance(7)
    Visitor.at(service, "/account/sign-in").sign_in()
    visitor.go("/account/sessions")
    times = re.findall(r"<time [^>]+ data-seconds>([^<]+)</time>", visitor.page.text)
    assert len({re.sub(r":\d\d UTC", "", each) for each in times}) == 1
    assert len(set(times)) == 2


def test_nobody_ends_a_session_of_somebody_else(service: Service) -> None:
    service.add_user("bob@example.org")
    bob = service.login("bob@example.org")
    visitor = signed_in(service)
    service.login()
    visitor.go("/account/sessions")
    sid = service.doorward.env.tokens.read(bob).sid
    visitor.send("/account/sessions", session=sid)
    visitor.go("/account/sessions")
    visitor.send("/account/sessions", session="")
    assert service.call("GET", "/auth/refreshtoken/validate", bob).status_code == 200
    assert living_sessions(service) == 2


def test_activity_tells_ones_own_events_in_words(service: Service) -> None:
    service.add_user("bob@example.org")
    service.call("POST", "/auth/login", json={"username": "bob@example.org", "password": "Wrong-Horse-9"})
    visitor = signed_in(service, "/account/activity")
    assert "You signed in this session" in visitor.text
    assert "wrong password" not in visitor.text
    for _ in range(30):
        service.login()
    visitor.go("/account/activity")
    assert visitor.page.text.count("You signed in") == 25
    older = re.search(r'href="(/account/activity\?before=\d+)"', visitor.page.text)
    assert older is not None
    visitor.go(older[1])
    assert visitor.page.text.count("You signed in") == 6
    for before in ("x", "-1", "9" * 40, "\u0661"):
        assert visitor.client.get("/account/activity", params={"before": before}).status_code == 200


def test_the_language_is_chosen_by_the_link_the_choice_and_the_browser(service: Service) -> None:
    visitor = Visitor.at(service, "/account/sign-in", **{"Accept-Language": "nl-BE, en;q=0.5"})
    assert '<html lang="nl">' in visitor.page.text
    visitor.go("/account/sign-in?language=fr")
    visitor.go("/account/reset")
    assert '<html lang="fr">' in visitor.page.text
    visitor.go("/account/language?next=/account/reset")
    visitor.send("/account/language", language="de")
    assert visitor.path == "/account/reset"
    assert '<html lang="de">' in visitor.page.text
    visitor.go("/account/language")
    visitor.send("/account/language", language="<xx>")
    assert '<html lang="nl">' in visitor.page.text


def test_what_is_typed_is_never_markup(service: Service) -> None:
    visitor = Visitor.at(service, "/account/sign-in")
    answer = visitor.sign_in('"><script>alert(1)</script>', "x")
    assert "<script>alert" not in answer.text


def test_broken_cookies_are_as_none(service: Service) -> None:
    service.add_user()
    for value in ("x", "a.b.c", "=", "%ff", "A" * 4000):
        headers = {
            "Cookie": "; ".join(
                f"__Host-doorward-{name}={value}" for name in ("session", "partial", "sudo", "wishes", "kept", "said")
            )
        }
        for path in ("", "/sign-in", "/reset/password", "/second-factor"):
            answer = service.client.get(f"/account{path}", headers=headers)
            assert answer.status_code in {200, 303}, (path, value)


def test_a_fault_is_a_page_with_the_requests_number(service: Service) -> None:
    visitor = signed_in(service)
    with service.doorward.env.db.write() as tx:
        tx.execute(sa.text("DROP TABLE recovery_codes"))
    answer = visitor.client.get("/account")
    assert answer.status_code in {500, 503}
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["x-request-id"] in answer.text


def test_a_brand_shows_its_name_and_colours_and_a_logo_of_this_host(
    start: Callable[..., Service], tmp_path: Path
) -> None:
    brands = tmp_path / "brands.toml"
    brands.write_text(
        '[default]\nname = "Plain"\nlogo_url = "https://cdn.example.net/logo.png"\n'
        f'[brands.shop]\nname = "The Shop"\naccent = "#7a1f1f"\nlogo_url = "{PUBLIC_URL}/logo.svg"\n'
    )
    service = start(brands_file=str(brands))
    visitor = Visitor.at(service, "/account/sign-in")
    assert "cdn.example.net" not in visitor.page.text
    visitor.go("/account/sign-in?origin=shop")
    visitor.go("/account/reset")
    assert "– The Shop</title>" in visitor.page.text
    assert f'src="{PUBLIC_URL}/logo.svg"' in visitor.page.text
    found = re.search(r'href="(/account/colours.css[^"]+)"', visitor.page.text)
    assert found is not None
    assert "#7a1f1f" in visitor.client.get(unescape(found[1])).text


def test_who_has_no_other_way_finds_the_brands_help(start: Callable[..., Service], tmp_path: Path) -> None:
    brands = tmp_path / "brands.toml"
    brands.write_text('[default]\nname = "The Shop"\nsupport_address = "help@example.org"\n')
    service = start(brands_file=str(brands))
    Person.at(service).enable_totp()
    visitor = Visitor.at(service, "/account/sign-in")
    visitor.sign_in()
    assert "None of these? Contact The Shop. help@example.org" in visitor.text
    assert "whoever" not in visitor.text


def test_the_rules_of_passwords_are_those_in_force(start: Callable[..., Service]) -> None:
    service = start(password_composition="any", password_min_length="15", refuse_common_passwords="true")
    service.add_user(password="a good long passphrase")
    visitor = Visitor.at(service, "/account/password")
    visitor.sign_in(password="a good long passphrase")
    assert "at least 15 characters" in visitor.text
    assert "a capital letter" not in visitor.text
    assert 'passwordrules="minlength: 15; maxlength: 256;"' in visitor.page.text
    visitor.send("/account/password", old_password="a good long passphrase", new_password="twelve chars")
    assert "The password needs at least 15 characters." in visitor.text
    visitor.send("/account/password", old_password="a good long passphrase", new_password="passwordpassword")
    assert "Choose another one." in visitor.text
