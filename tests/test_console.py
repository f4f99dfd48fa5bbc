"""The administrators' console over HTTP: who is let in, what acts ask for, and what is told of a user."""

import re
from collections.abc import Callable

import httpx
import pytest

from doorward import audit
from doorward.accounts import flows as accounts
from doorward.administration import administrators
from doorward.audit import AnyEvent, Wanted
from doorward.http.console import PAGES
from doorward.mail.notices import MailChoice
from tests.support.person import Person
from tests.support.service import EMAIL, PASSWORD, Service
from tests.support.threads import at_once
from tests.support.visitor import SAME_ORIGIN, Visitor

ADMINISTRATOR = "root@example.org"
BOB = "bob@example.org"
REASON = "ticket 4711"
ACTS = {
    "disable": "user.disabled",
    "end-sessions": "session.ended",
    "reset-factors": "factor.disabled",
    "set-address": "address.changed",
    "delete": "user.deleted",
}
"""Each asks for a fresh second factor, and leaves an event."""


class Console:
    """An administrator who signed in with a second factor, a moment ago."""

    def __init__(self, service: Service, email: str = ADMINISTRATOR) -> None:
        self.service = service
        self.person = Person.at(service, email)
        self.person.enable_totp()
        administrators.grant(service.doorward.env, self.person.id)
        self.visitor = Visitor.at(service, "/admin")
        assert self.visitor.path == "/account/sign-in?next=/admin"
        self.visitor.sign_in(email)
        self.confirm("/account/second-factor")

    def confirm(self, action: str = "/account/confirm") -> None:
        self.visitor.send(action, code=self.service.next_totp_code(self.person.authenticator))

    def go(self, path: str) -> httpx.Response:
        return self.visitor.go(f"/admin{path}")

    def act(self, path: str, reason: str = REASON, **typed: str) -> httpx.Response:
        self.go(path)
        return self.visitor.send(f"/admin{path}", reason=reason, **typed)

    @property
    def text(self) -> str:
        return self.visitor.text


@pytest.fixture
def console(service: Service) -> Console:
    return Console(service)


def events(service: Service, user_id: int, event: str) -> list[AnyEvent]:
    with service.doorward.env.db.read() as tx:
        return audit.page(tx, Wanted(user_id=user_id, type=event), 50)


# -- who is let in


def test_an_administrator_comes_by_both_steps(console: Console) -> None:
    assert console.visitor.path == "/admin"
    for path in ("", "/users", "/mails", "/mails?state=waiting", f"/users/{console.person.id}"):
        assert console.go(path).status_code == 200, path


def paths(user_id: int) -> list[str]:
    names = {"user_id": str(user_id), "session_id": "x", "mail_id": "1"}
    return [f"/admin{path.format(**names)}" for path in PAGES]


def test_to_anybody_else_there_is_no_page_and_no_form(service: Service) -> None:
    ann = Person.at(service)
    ann.enable_totp()
    visitor = Visitor.at(service, "/account/sign-in")
    visitor.sign_in()
    visitor.send("/account/second-factor", code=service.next_totp_code(ann.authenticator))
    unknown = visitor.client.get("/admin/no-such-page")
    for path in paths(ann.id):
        for answer in (
            visitor.client.get(path),
            visitor.client.post(path, data={"form_token": "x"}, headers=SAME_ORIGIN),
            visitor.client.post(path, content=b"x" * 70_000),
        ):
            assert (answer.status_code, answer.text) == (404, unknown.text), path
            assert "set-cookie" not in answer.headers
    assert service.client.get("/admin").headers["Location"] == "/account/sign-in?next=/admin"


def test_a_role_withdrawn_is_gone_in_the_next_request(console: Console) -> None:
    bob = console.service.add_user(BOB)
    console.go(f"/users/{bob}/disable")
    assert administrators.revoke(console.service.doorward.env, ADMINISTRATOR)
    form = console.visitor.hidden(f"/admin/users/{bob}/disable") | {"reason": REASON}
    answer = console.visitor.client.post(f"/admin/users/{bob}/disable", data=form, headers=SAME_ORIGIN)
    assert answer.status_code == 404
    assert console.go("").status_code == 404
    assert events(console.service, bob, "user.disabled") == []


def test_an_administrator_without_a_second_factor_sets_one_up_first(service: Service) -> None:
    service.add_user()
    administrators.grant(service.doorward.env, EMAIL)
    visitor = Visitor.at(service, "/admin")
    visitor.sign_in()
    assert visitor.path == "/account/totp"
    assert "The console asks for a second step." in visitor.text


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
    assert console.visitor.path == "/account/totp"


# -- acts


@pytest.mark.parametrize("act", ACTS)
def test_an_act_asks_for_a_fresh_second_factor_and_a_reason_which_is_kept(console: Console, act: str) -> None:
    bob = Person.at(console.service, BOB)
    bob.enable_totp()
    console.service.clock.advance(301)
    console.go(f"/users/{bob.id}/{act}")
    assert console.visitor.path == f"/account/confirm?next=/admin/users/{bob.id}/{act}"
    console.confirm()
    assert console.visitor.path == f"/admin/users/{bob.id}/{act}"
    console.visitor.send(console.visitor.path, reason=REASON, email="new@example.org")
    assert console.visitor.path == f"/admin/users/{bob.id}"
    found = events(console.service, bob.id, ACTS[act])[0]
    assert (found.actor, found.reason, found.client_address) == (f"user {console.person.id}", REASON, "192.0.2.1")
    assert REASON in console.text


@pytest.mark.parametrize("act", [*ACTS, "enable", "withdraw-invitation", "sessions/x/end"])
def test_a_form_that_is_sent_when_the_factor_is_stale_does_nothing(console: Console, act: str) -> None:
    bob = console.service.add_user(BOB, password=None)
    if act == "enable":
        accounts.disable(console.service.doorward.env, bob)
    console.go(f"/users/{bob}/{act}")
    form = console.visitor.hidden(f"/admin/users/{bob}/{act}") | {"reason": REASON, "email": "new@example.org"}
    console.service.clock.advance(301)
    answer = console.visitor.client.post(f"/admin/users/{bob}/{act}", data=form, headers=SAME_ORIGIN)
    assert answer.headers["Location"] == f"/account/confirm?next=/admin/users/{bob}/{act}"
    assert [each.reason for each in _all(console.service, bob) if each.reason] == []


def _all(service: Service, user_id: int) -> list[AnyEvent]:
    with service.doorward.env.db.read() as tx:
        return audit.page(tx, Wanted(user_id=user_id), 50)


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("", "Say why"),
        ("  ", "Say why"),
        ("two\nlines", "Say why"),
        ("\0", "Say why"),
        ("x" * 501, "500 characters at most"),
        ("x" * 60_000, "500 characters at most"),
    ],
    ids=["empty", "blank", "lines", "zero", "long", "huge"],
)
def test_without_a_good_reason_nothing_is_done(console: Console, reason: str, said: str) -> None:
    bob = console.service.add_user(BOB)
    assert console.act(f"/users/{bob}/disable", reason).status_code == 422
    assert said in console.text
    assert events(console.service, bob, "user.disabled") == []
    console.visitor.send(f"/admin/users/{bob}/disable", reason="x" * 500)
    assert "The account is disabled" in console.text
    console.service.login(ADMINISTRATOR)


def test_a_form_of_another_session_or_another_site_does_nothing(console: Console) -> None:
    bob = console.service.add_user(BOB)
    at = f"/admin/users/{bob}/disable"
    other = Visitor.at(console.service, "/admin")
    other.sign_in(ADMINISTRATOR)
    other.send("/account/second-factor", code=console.service.next_totp_code(console.person.authenticator))
    other.go(at)
    foreign = other.hidden(at) | {"reason": REASON}
    console.go(f"/users/{bob}/disable")
    own = console.visitor.hidden(at) | {"reason": REASON}
    for form, headers in (
        (foreign, SAME_ORIGIN),
        (own | {"form_token": ""}, SAME_ORIGIN),
        (own, {"Origin": "https://attacker.example", "Sec-Fetch-Site": "cross-site"}),
    ):
        assert console.visitor.client.post(at, data=form, headers=headers).status_code == 403
    assert events(console.service, bob, "user.disabled") == []
    # Nor does the fresh factor of one session serve another.
    console.visitor.client.cookies.set("__Host-doorward-sudo", other.cookie("sudo") or "", domain="auth.example.org")
    console.go(f"/users/{bob}/disable")
    assert console.visitor.path.startswith("/account/confirm")


def test_nobody_acts_on_themself(console: Console) -> None:
    own = console.person.id
    bob = console.service.add_user(BOB)
    assert "What you can do" in console.go(f"/users/{own}").text
    assert f"/admin/users/{own}/" not in console.visitor.page.text
    console.go(f"/users/{bob}/disable")
    form = console.visitor.hidden(f"/admin/users/{bob}/disable") | {"reason": REASON, "email": "new@example.org"}
    for act in (*ACTS, f"sessions/{console.visitor.cookie('session')}/end"):
        at = f"/admin/users/{own}/{act}"
        assert console.visitor.client.get(at).headers["Location"] == f"/admin/users/{own}"
        answer = console.visitor.client.post(at, data=form, headers=SAME_ORIGIN)
        assert answer.status_code == 422, act
        assert "your own account" in answer.text
    assert [each.reason for each in _all(console.service, own) if each.reason] == []
    console.service.login(ADMINISTRATOR)


def test_of_many_at_once_one_disables_and_one_deletes(console: Console) -> None:
    bob = console.service.add_user(BOB)
    for act, event in (("disable", "user.disabled"), ("delete", "user.deleted")):
        at = f"/admin/users/{bob}/{act}"
        console.go(f"/users/{bob}/{act}")
        form = console.visitor.hidden(at) | {"reason": REASON}
        cookies = dict(console.visitor.client.cookies)

        def post(form: dict[str, str] = form, at: str = at, cookies: dict[str, str] = cookies) -> int:
            client = console.service.client
            client.cookies.update(cookies)
            return client.post(at, data=form, headers=SAME_ORIGIN).status_code

        assert set(at_once(*[post] * 4)) <= {303, 404}
        assert len(events(console.service, bob, event)) == 1


def test_an_address_that_is_no_good_is_told_at_its_field(console: Console) -> None:
    bob = console.service.add_user(BOB)
    for email, said in (("", "Enter"), ("nonsense", "Write the address"), (ADMINISTRATOR, "Another account has")):
        assert console.act(f"/users/{bob}/set-address", email=email).status_code == 422
        assert said in console.text
        assert f'value="{REASON}"' in console.visitor.page.text
    console.visitor.send(f"/admin/users/{bob}/set-address", email="new@example.org", reason=REASON)
    assert console.visitor.page.status_code == 200
    assert "new@example.org" in console.text


def test_one_session_is_ended_and_the_others_live(console: Console) -> None:
    bob = Person.at(console.service, BOB)
    second = console.service.login(BOB)
    console.go(f"/users/{bob.id}")
    ends = re.findall(r'href="/admin(/users/[^"]+/end)"', console.visitor.page.text)
    assert len(ends) == 2
    console.act(ends[1])
    living = [
        token for token in (bob.refresh, second) if console.service.call("GET", "/auth/accesstoken", token).is_success
    ]
    assert len(living) == 1
    assert "1 session" in console.text


def test_an_invitation_is_sent_again_without_a_fresh_factor_and_withdrawn_with_one(console: Console) -> None:
    env = console.service.doorward.env
    bob = accounts.invite(env, BOB, MailChoice(None, "nl"))
    console.service.clock.advance(301)
    console.act(f"/users/{bob}/invite-again")
    assert "A new invitation is on its way." in console.text
    assert events(console.service, bob, "user.invited")[0].reason == REASON
    console.go(f"/users/{bob}/withdraw-invitation")
    console.confirm()
    console.visitor.send(f"/admin/users/{bob}/withdraw-invitation", reason=REASON)
    assert "There is no such account any more" in console.text
    # Somebody with a password can't be uninvited.
    carl = console.service.add_user("carl@example.org")
    console.go(f"/users/{carl}/withdraw-invitation")
    assert console.visitor.path == f"/admin/users/{carl}"


# -- finding, and what is told


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


def wrong_password(service: Service, times: int, address: str = "198.51.100.7") -> None:
    client = service.from_address(address)
    for _ in range(times):
        client.post("/auth/login", json={"username": BOB, "password": "wrong"})


def invited(service: Service) -> int:
    return accounts.invite(service.doorward.env, BOB, MailChoice(None, "en"))


def _disabled(service: Service) -> None:
    accounts.disable(service.doorward.env, service.add_user(BOB))
    service.client.post("/auth/login", json={"username": BOB, "password": PASSWORD})


def _waiting(service: Service) -> None:
    service.add_user(BOB)
    wrong_password(service, 5)


def _waiting_at_home(service: Service) -> None:
    Person.at(service, BOB)
    wrong_password(service, 5, "192.0.2.1")


def _locked(service: Service) -> None:
    bob = Person.at(service, BOB)
    bob.enable_totp()
    access = bob.access
    for _ in range(5):
        bob.guess_totp(access)


def _invited_long_ago(service: Service) -> None:
    invited(service)
    service.clock.advance(8 * 86_400)


def _mail_refused(service: Service) -> None:
    service.add_user(BOB)
    service.smtp.refuse()
    service.call("POST", "/user/password/reset/send", json={"email": BOB})
    service.deliver()
    service.smtp.accept()


def _free(service: Service) -> None:
    Person.at(service, BOB)


CAUSES: list[tuple[Callable[[Service], object], str]] = [
    (_disabled, "The account is disabled since"),
    (_disabled, "Not let in: the account was disabled."),
    (_waiting, "whoever comes from a new place can try again"),
    (_waiting, "Too many wrong passwords from 198.51.100.7, for any account"),
    (_waiting_at_home, "Too many wrong passwords from 192.0.2.1, where they signed in before"),
    (_locked, "Too many wrong codes of the authenticator app"),
    (invited, "the code of the invitation is good until"),
    (_invited_long_ago, "the code of the invitation was over at"),
    (_mail_refused, "A mail to them could not be sent"),
    (_free, "Nothing keeps them from signing in with the right password."),
    (_free, "Let in the last time at"),
]


@pytest.mark.parametrize(("happens", "said"), CAUSES, ids=[said[:30] for _, said in CAUSES])
def test_the_user_page_says_why_somebody_can_not_sign_in(
    service: Service, happens: Callable[[Service], object], said: str
) -> None:
    console = Console(service)
    happens(service)
    console.go(f"/users?q={BOB}")
    console.visitor.go(re.findall(r'href="(/admin/users/\d+)"', console.visitor.page.text)[0])
    assert said in console.text
