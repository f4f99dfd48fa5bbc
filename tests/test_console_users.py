"""Users at the console: how one is found, and what is told of why they can't sign in."""

import re
from collections.abc import Callable

import sqlalchemy as sa

from doorward.accounts import flows as accounts
from doorward.core.tables import throttles
from doorward.mail.notices import MailChoice
from doorward.throttles import LOCKED
from tests.support.console import BOB, REASON, Console, guess, mail_refused
from tests.support.person import Person
from tests.support.service import PASSWORD, Service


def test_users_are_found_by_the_beginning_of_a_name_and_by_id_in_pages(console: Console) -> None:
    ids = [console.service.add_user(f"user{number:02}@example.org", username=f"u{number:02}") for number in range(27)]
    console.go("/users?q=USER1")
    assert console.visitor.page.text.count('class="name"') == 10
    console.go(f"/users?q={ids[3]}")
    assert "user03@example.org" in console.text
    console.go("/users?q=user")
    assert console.visitor.page.text.count('class="name"') == 25
    more = re.findall(r'href="(/admin/users\?q=user&amp;after=[^"]+)"', console.visitor.page.text)
    console.visitor.go(more[0].replace("&amp;", "&"))
    assert "user25@example.org" in console.text
    assert "user26@example.org" in console.text
    console.go("/users")
    assert "user24@example.org" not in console.text
    console.go("/users?after=25")
    assert "user26@example.org" in console.text
    for nobody in ("zzz", "%", "_", "'", "x" * 300, "\0", "9" * 30, "<script>"):
        assert console.visitor.client.get("/admin/users", params={"q": nobody}).status_code == 200
    for after in ("x", "", "9" * 30, "AA", "-1"):
        assert console.visitor.client.get("/admin/users", params={"q": "u", "after": after}).status_code == 200
    for user_id in ("0", "99", "x", "9" * 18, "9" * 30, "-1", "%00"):
        assert console.go(f"/users/{user_id}").status_code == 404
        assert console.go(f"/users/{user_id}/disable").status_code == 404


def invite(service: Service, email: str) -> None:
    accounts.invite(service.doorward.env, email, MailChoice(None, "en"))


def _disabled(service: Service, email: str) -> None:
    accounts.disable(service.doorward.env, service.add_user(email))
    service.client.post("/auth/login", json={"username": email, "password": PASSWORD})


def _guessed_from_elsewhere(service: Service, email: str) -> None:
    service.add_user(email)
    guess(service, email, "198.51.100.7")


def _guessed_at_home(service: Service, email: str) -> None:
    service.add_user(email)
    client = service.from_address("203.0.113.9")
    client.post("/auth/login", json={"username": email, "password": PASSWORD})
    guess(service, email, "203.0.113.9")


def _guessed_codes(service: Service, email: str) -> None:
    someone = Person.at(service, email)
    someone.enable_totp()
    access = someone.access
    for _ in range(5):
        someone.guess_totp(access)


def _locked(service: Service, email: str) -> None:
    _guessed_codes(service, email)
    with service.doorward.env.db.write() as tx:
        tx.execute(sa.update(throttles).where(throttles.c.key.like("totp:%")).values(next_at=LOCKED))


def _code_voided(service: Service, email: str) -> None:
    invite(service, email)
    for _ in range(5):
        body = {"userEmail": email, "otp": "000000", "newPassword": PASSWORD}
        service.call("PUT", "/user/password/otp", json=body)


def _mail_delayed(service: Service, email: str) -> None:
    service.add_user(email)
    service.deliver()
    service.smtp.refuse("451 4.7.1 Later")
    service.call("POST", "/user/password/reset/send", json={"email": email})
    service.deliver()
    service.smtp.accept()


def _without_code(service: Service, email: str) -> None:
    service.add_user(email, password=None)


def _signed_in(service: Service, email: str) -> None:
    Person.at(service, email)


def _with_both_steps(service: Service, email: str) -> None:
    Person.at(service, email).enable_totp()


FREE = "Nothing keeps them from signing in with the right password."
CAUSES: dict[Callable[[Service, str], None], tuple[str, ...]] = {
    _disabled: ("The account is disabled since", "Not let in: the account was disabled."),
    _guessed_from_elsewhere: (
        "whoever comes from a new place can try again",
        "Too many wrong passwords from 198.51.100.7, for any account",
        "Not let in: the password was wrong, once too often, and a wait began",
    ),
    _guessed_at_home: ("Too many wrong passwords from 203.0.113.9, where they signed in before",),
    _guessed_codes: ("Too many wrong codes of the authenticator app", "once too often, by the app, and a wait began"),
    _locked: ("this second step is locked until",),
    invite: ("the code of the invitation is good until", "Nobody has tried to sign in"),
    _code_voided: ("the code of the invitation was entered wrong five times",),
    _without_code: ("no code to set one: invite them again",),
    mail_refused: ("A mail to them could not be sent", "the next one can be asked for at"),
    _mail_delayed: ("the mail server did not take it (SMTPDataError)",),
    _signed_in: (FREE, "Let in the last time at"),
    _with_both_steps: ("with the right password and their second step",),
}


def test_the_user_page_says_why_somebody_can_not_sign_in(console: Console) -> None:
    """Each cause on its own, and nothing else beside it."""
    for number, (happens, sentences) in enumerate(CAUSES.items()):
        email = f"user{number}@example.org"
        happens(console.service, email)
        standing_of(console, email)
        for said in sentences:
            assert said in console.text, happens.__name__
        assert ('class="good"' in console.findings) == (happens in {_signed_in, _with_both_steps})


def test_an_invitation_that_is_over_is_told(console: Console) -> None:
    invite(console.service, BOB)
    console.service.clock.advance(8 * 86_400)
    standing_of(console, BOB)
    assert "the code of the invitation was over at" in console.text


def standing_of(console: Console, email: str) -> None:
    console.go(f"/users?q={email}")
    console.visitor.go(re.findall(r'href="(/admin/users/\d+)"', console.visitor.page.text)[0])


def test_an_id_is_called_one_wherever_it_stands(console: Console) -> None:
    bob = console.service.add_user(BOB, username="bob")
    assert f"User id {bob}" in console.go("/users").text
    console.go(f"/users/{bob}")
    assert f"<dt>User id</dt><dd>{bob}</dd>" in console.visitor.page.text
    assert "<dt>Username</dt><dd>bob</dd>" in console.visitor.page.text
    console.go(f"/users/{bob}/delete")
    assert f"User id {bob}" in console.text
    console.visitor.send(f"/admin/users/{bob}/delete", reason=REASON)
    assert f"<h1>User id {bob}</h1>" in console.visitor.page.text
