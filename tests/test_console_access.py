"""Who is let in at the console, and what everybody else sees."""

import re

import httpx
import pyotp

from doorward.accounts import flows as accounts
from doorward.administration import administrators
from doorward.http.console import PAGES
from tests.support.console import ADMINISTRATOR, BOB, REASON, Console, events
from tests.support.person import Person
from tests.support.service import EMAIL, Service
from tests.support.visitor import SAME_ORIGIN, Visitor
from tests.support.wsgi import raw_call

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


def test_an_administrator_comes_by_both_steps(console: Console) -> None:
    assert console.visitor.path == "/admin"
    for path in ("", "/users", "/mails", "/mails?state=waiting", f"/users/{console.person.id}"):
        assert console.go(path).status_code == 200, path


def paths(user_id: int) -> list[str]:
    names = {"user_id": str(user_id), "session_id": "x", "mail_id": "1"}
    return [f"/admin{path.format(**names)}" for path in PAGES]


def seen(answer: httpx.Response) -> tuple[int, str, list[tuple[str, str]]]:
    """All that tells one answer from another."""
    return answer.status_code, answer.text, [each for each in answer.headers.items() if each[0] != "x-request-id"]


def test_to_anybody_else_there_is_no_page_and_no_form(service: Service) -> None:
    ann = Person.at(service)
    ann.enable_totp()
    visitor = Visitor.at(service, "/account/sign-in")
    visitor.sign_in()
    visitor.send("/account/second-factor", code=service.next_totp_code(ann.authenticator))
    for accepted in ({"Accept": "*/*"}, BROWSER):
        visitor.client.headers.update(accepted)
        unknown = seen(visitor.client.get("/admin/no-such-page"))
        assert unknown[0] == 404
        for path in paths(ann.id):
            for answer in (
                visitor.client.get(path),
                visitor.client.post(path, data={"form_token": "x"}, headers=SAME_ORIGIN),
                visitor.client.post(path, content=b"x" * 70_000),
            ):
                assert seen(answer) == unknown, path
                assert "set-cookie" not in answer.headers
    assert service.client.get("/admin").headers["Location"] == "/account/sign-in?next=/admin"


def test_the_console_has_one_address(console: Console) -> None:
    # A proxy that keeps `/admin` inside lets these pass.
    kept = "; ".join(f"{name}={value}" for name, value in console.visitor.client.cookies.items())
    for path, status in {"//admin": 404, "///admin/users": 404, "//account": 404, "/admin": 200}.items():
        assert raw_call(console.service, "GET", path, HTTP_COOKIE=kept).status_code == status, path


def test_a_role_withdrawn_is_gone_in_the_next_request(console: Console) -> None:
    bob = console.service.add_user(BOB)
    console.go(f"/users/{bob}/disable")
    assert administrators.revoke(console.service.doorward.env, ADMINISTRATOR)
    form = console.visitor.hidden(f"/admin/users/{bob}/disable") | {"reason": REASON}
    answer = console.visitor.client.post(f"/admin/users/{bob}/disable", data=form, headers=SAME_ORIGIN)
    assert answer.status_code == 404
    assert console.go("").status_code == 404
    assert events(console.service, bob, "user.disabled") == []


def test_an_administrator_without_a_second_factor_is_told_why_to_set_one_up_and_comes_back(service: Service) -> None:
    service.add_user()
    administrators.grant(service.doorward.env, EMAIL)
    visitor = Visitor.at(service, "/admin/users")
    visitor.sign_in()
    assert visitor.path == "/account/totp?next=/admin/users"
    assert "The console needs a second step. Set one up here." in visitor.text
    visitor.send("/account/totp")
    secret = re.findall(r'id="secret"[^>]*>([^<]+)<', visitor.page.text)[0].replace(" ", "")
    assert visitor.send("/account/totp/set-up", code="000000").status_code == 422
    visitor.send("/account/totp/set-up", code=service.totp_code(pyotp.TOTP(secret)))
    visitor.send("/account/recovery-codes/new")
    assert visitor.path == "/admin/users"
    assert "began with a password alone" in visitor.text
    visitor.send("/account/sign-out", next="/admin/users")
    visitor.sign_in()
    visitor.send("/account/second-factor", code=service.next_totp_code(pyotp.TOTP(secret)))
    assert (visitor.path, visitor.page.status_code) == ("/admin/users", 200)


def test_who_sets_an_authenticator_up_for_themselves_hears_nothing_of_the_console(service: Service) -> None:
    service.add_user()
    visitor = Visitor.at(service, "/account/totp?next=https://attacker.example/admin")
    visitor.sign_in()
    assert "console" not in visitor.page.text
    visitor.send("/account/totp")
    assert visitor.path == "/account/totp/set-up"


def test_a_session_that_began_with_a_password_alone_is_not_enough(service: Service) -> None:
    ann = Person.at(service)
    visitor = Visitor.at(service, "/account/sign-in")
    visitor.sign_in()
    ann.enable_totp()
    administrators.grant(service.doorward.env, EMAIL)
    answer = visitor.go("/admin")
    assert answer.status_code == 403
    assert "began with a password alone" in visitor.text
    # Neither does a step-up within it make it one.
    visitor.go("/account/totp")
    visitor.send("/account/confirm", code=service.next_totp_code(ann.authenticator))
    assert visitor.go("/admin/users").status_code == 403
    assert '<input type="hidden" name="next" value="/admin/users">' in visitor.page.text
    visitor.send("/account/sign-out", next="/admin/users")
    visitor.sign_in()
    visitor.send("/account/second-factor", code=service.next_totp_code(ann.authenticator))
    assert visitor.path == "/admin/users"


def test_a_factor_taken_off_meanwhile_leads_to_its_set_up(console: Console) -> None:
    accounts.reset_2fa(console.service.doorward.env, ADMINISTRATOR)
    console.go("/users")
    assert console.visitor.path == "/account/totp?next=/admin/users"


def test_an_unknown_address_shows_people_a_page_and_programs_an_error(service: Service) -> None:
    for path in ("/admin/x<y", "/admin/users/1/no-such-act", "/account/no-such-page", "/docs/x", "/dev/x"):
        answer = service.client.get(path, headers=BROWSER | {"Accept-Language": "nl"})
        assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8"), path
        assert '<html lang="nl">' in answer.text
        assert '<a class="button main" href="/account">Je account</a>' in answer.text
        assert "x&lt;y" not in answer.text
        assert "default-src 'none'; script-src 'self'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"
    long = "text/html" + ", text/plain" * 100
    for accepted in ("*/*", "", "application/json", "application/json, text/html", "text/html;q=0, */*", "x/", long):
        assert message(service.client.get("/admin/x", headers={"Accept": accepted})) == "NOT_FOUND", accepted
    for path in ("/auth/x", "/user/x", "/v1/x", "/health/x", "/admin/api/x", "/administrator"):
        assert message(service.client.get(path, headers=BROWSER)) == "NOT_FOUND", path


def test_the_page_of_an_unknown_address_is_in_the_users_own_language(service: Service) -> None:
    service.add_user()
    visitor = Visitor.at(service, "/account/sign-in", **BROWSER)
    visitor.sign_in()
    visitor.go("/account/language")
    visitor.send("/account/language", language="pl")
    visitor.client.cookies.delete("__Host-doorward-wishes")
    assert "<h1>Nie ma takiej strony</h1>" in visitor.go("/admin").text
    assert EMAIL not in visitor.page.text


def message(answer: httpx.Response) -> str:
    assert answer.status_code == 404
    return str(answer.json()["message"])
