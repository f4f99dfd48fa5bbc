"""The administrators' console over HTTP: who is let in, what acts ask for, and what is told of a user."""

import re
from collections.abc import Callable
from typing import get_args

import httpx
import pytest
import sqlalchemy as sa

from doorward import audit
from doorward.accounts import flows as accounts
from doorward.administration import administrators
from doorward.audit import AnyEvent, Wanted
from doorward.core import tallies
from doorward.core.clock import DAY, HOUR, iso
from doorward.core.errors import DatabaseUnavailable
from doorward.core.tables import throttles
from doorward.core.tallies import What
from doorward.http.console import PAGES, plots
from doorward.mail.notices import MailChoice
from doorward.throttles import LOCKED
from tests.support.person import Person
from tests.support.service import EMAIL, PASSWORD, Service
from tests.support.threads import at_once
from tests.support.visitor import SAME_ORIGIN, Visitor
from tests.support.wsgi import raw_call

ADMINISTRATOR = "root@example.org"
BOB = "bob@example.org"
REASON = "ticket 4711"
LARGEST_PAGE = 50_000
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

    @property
    def findings(self) -> str:
        """What the page says of whether the user can sign in."""
        return self.visitor.page.text.partition('<ul class="findings">')[2].partition("</ul>")[0]


@pytest.fixture
def console(service: Service) -> Console:
    return Console(service)


def events(service: Service, user_id: int, event: str | None = None) -> list[AnyEvent]:
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


def test_an_act_asks_for_a_fresh_second_factor_and_a_reason_which_is_kept(console: Console) -> None:
    for number, (act, event) in enumerate(ACTS.items()):
        bob = Person.at(console.service, f"bob{number}@example.org")
        bob.enable_totp()
        at = f"/admin/users/{bob.id}/{act}"
        console.service.clock.advance(301)
        console.visitor.go(at)
        assert console.visitor.path == f"/account/confirm?next={at}"
        console.confirm()
        assert console.visitor.path == at
        console.visitor.send(at, reason=REASON, email="new@example.org")
        assert console.visitor.path == f"/admin/users/{bob.id}"
        found = events(console.service, bob.id, event)[0]
        assert (found.actor, found.reason, found.client_address) == (f"user {console.person.id}", REASON, "192.0.2.1")
        assert REASON in console.text


def test_a_form_that_is_sent_when_the_factor_is_stale_does_nothing(console: Console) -> None:
    bob = console.service.add_user(BOB, password=None)
    carl = console.service.add_user("carl@example.org")
    accounts.disable(console.service.doorward.env, carl)
    acts = [f"/admin/users/{bob}/{act}" for act in (*ACTS, "withdraw-invitation", "sessions/x/end")]
    acts.append(f"/admin/users/{carl}/enable")
    forms = {}
    for at in acts:
        console.visitor.go(at)
        forms[at] = console.visitor.hidden(at) | {"reason": REASON, "email": "new@example.org"}
    console.service.clock.advance(301)
    for at, form in forms.items():
        answer = console.visitor.client.post(at, data=form, headers=SAME_ORIGIN)
        assert answer.headers["Location"] == f"/account/confirm?next={at}"
    assert [each.reason for user in (bob, carl) for each in events(console.service, user) if each.reason] == []


def test_without_a_good_reason_nothing_is_done(console: Console) -> None:
    bob = console.service.add_user(BOB)
    none, long = "Say why", "500 characters at most"
    reasons = {"": none, "  ": none, "two\nlines": none, "\0": none, "x" * 501: long, "x" * 60_000: long}
    for reason, said in reasons.items():
        assert console.act(f"/users/{bob}/disable", reason).status_code == 422, reason[:20]
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
    assert [each.reason for each in events(console.service, own) if each.reason] == []
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


def guess(service: Service, email: str, address: str, times: int = 5) -> None:
    client = service.from_address(address)
    for _ in range(times):
        client.post("/auth/login", json={"username": email, "password": "wrong"})


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


def _mail_refused(service: Service, email: str) -> None:
    service.add_user(email)
    service.deliver()
    service.smtp.refuse()
    service.call("POST", "/user/password/reset/send", json={"email": email})
    service.deliver()
    service.smtp.accept()


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
    _mail_refused: ("A mail to them could not be sent", "the next one can be asked for at"),
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


# -- mails and health


def test_a_mail_that_was_given_up_is_sent_again_with_a_reason(console: Console) -> None:
    _mail_refused(console.service, BOB)
    console.go("/mails?state=waiting")
    assert BOB not in console.text
    console.go("/mails")
    assert BOB in console.text
    (at,) = re.findall(r'href="/admin(/mails/\d+/send-again)"', console.visitor.page.text)
    assert console.act(at, "").status_code == 422
    console.visitor.send(f"/admin{at}", reason=REASON)
    assert "The mail is tried again now." in console.text
    assert console.service.mailed_code(BOB)
    with console.service.doorward.env.db.read() as tx:
        (sent,) = audit.page(tx, Wanted(type="mail.sent_again"), 5)
    assert (sent.actor, sent.reason) == (f"user {console.person.id}", REASON)
    assert console.visitor.client.get(f"/admin{at}").headers["Location"] == "/admin/mails"
    form = {"form_token": "x", "reason": REASON}
    assert console.visitor.client.post(f"/admin{at}", data=form, headers=SAME_ORIGIN).status_code == 403


def seal(service: Service) -> None:
    while service.doorward.events.run_once():
        pass


def total(console: Console, name: str) -> str:
    found = re.search(rf'id="{name}-title">.*?class="total">([^<]*)<', console.visitor.page.text)
    assert found is not None
    return found[1]


def test_what_happens_is_counted_once_by_however_many_seal_it(console: Console) -> None:
    service = console.service
    _guessed_from_elsewhere(service, BOB)
    _mail_refused(service, "carl@example.org")
    service.add_user()
    service.call("POST", "/user/password/reset/send", json={"email": EMAIL})
    service.deliver()
    at_once(*[service.doorward.events.run_once] * 4)
    seal(service)
    console.go("")
    assert [total(console, name) for name in ("logins", "refusals", "waits", "mails", "errors")] == [
        "2", "5", "1", "3", "0",
    ]  # fmt: skip
    assert "1 mail was given up." in console.text
    service.clock.advance(86_400)
    console.go("")
    assert total(console, "logins") == "0"
    assert "None in this time." in console.text
    for period in ("week", "month", "x"):
        console.go(f"?period={period}")
        assert total(console, "refusals") == ("0" if period == "x" else "5")


def test_the_first_page_says_what_is_late_and_no_more_once_it_is_done(console: Console) -> None:
    service = console.service
    service.deliver()
    seal(service)
    service.add_user()
    service.call("POST", "/user/password/reset/send", json={"email": EMAIL})
    service.clock.advance(59)
    console.go("")
    assert "All is well" in console.text
    service.clock.advance(1)
    console.go("")
    assert "Events wait to be sealed since" in console.text
    assert "Mails wait" not in console.text
    service.clock.advance(240)
    console.go("")
    assert "Mails wait to be sent since" in console.text
    service.deliver()
    seal(service)
    console.go("")
    assert "All is well" in console.text


def test_errors_are_counted_when_the_database_is_back(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    service = console.service

    def gone(*_: object) -> None:
        raise DatabaseUnavailable

    with monkeypatch.context() as patched:
        patched.setattr(service.doorward.env.db, "read", gone)
        patched.setattr(service.doorward.env.db, "write", gone)
        login = {"username": EMAIL, "password": PASSWORD}
        assert service.call("POST", "/auth/login", json=login).status_code == 503
        with pytest.raises(DatabaseUnavailable):
            service.doorward.errors.write()
    service.doorward.errors.write()
    service.doorward.errors.write()
    console.go("")
    assert total(console, "errors") == "1"
    assert "There were errors since" in console.text
    assert "All is well" not in console.text


def test_the_plots_say_in_words_and_numbers_what_they_draw(console: Console) -> None:
    service = console.service
    now = tallies.hour_of(service.clock.now_ms())
    with service.doorward.env.db.write() as tx:
        tallies.add(tx, {(now - 3 * HOUR, "logins"): 1_234, (now - 90 * DAY, "logins"): 7})
    console.go("")
    page = console.visitor.page.text
    assert total(console, "logins") == "1\u202f234"
    assert page.count('<svg class="bars" role="img" aria-labelledby=') == 5
    assert f"The most: 1 234 ({iso(now - 3 * HOUR)[11:16]})." in console.text
    assert page.count("<tr>") == 25


def test_a_plot_is_drawn_to_scale() -> None:
    plot = plots.drawn([[0, 5, 10], [0, 5, 0]], "x")
    assert plot.top == 10
    assert 'class="kind1" d="M1.12 100v-50h0.76v50zM2.12 100v-100h0.76v100z"' in plot.drawing
    assert 'class="kind2" d="M1.12 50v-50h0.76v50z"' in plot.drawing
    assert [plots.ceiling(most) for most in (0, 1, 3, 9, 11, 63, 1_001)] == [2, 2, 4, 10, 20, 80, 2_000]
    assert "v-2h" in plots.drawn([[1, 1_000]], "x").drawing


def test_no_page_is_heavy_cached_framed_or_of_another_host(console: Console) -> None:
    bob = console.service.add_user(BOB)
    for _ in range(30):
        accounts.end_sessions(console.service.doorward.env, BOB)
    now = tallies.hour_of(console.service.clock.now_ms())
    whats: tuple[What, ...] = get_args(What)
    with console.service.doorward.env.db.write() as tx:
        tallies.add(tx, {(now - ago * HOUR, what): 10_000 + ago for ago in range(24 * 30) for what in whats})
    for path in ("", "?period=month", "/users", f"/users/{bob}", f"/users/{bob}/delete", "/mails"):
        answer = console.go(path)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-frame-options"] == "DENY"
        assert "default-src 'none'; script-src 'self'; style-src 'self'" in answer.headers["content-security-policy"]
        assert not re.findall(r"<script>|<style|style=|onclick|https?://(?!www.w3.org)", answer.text)
        weight = len(answer.content)
        for url in re.findall(r'(?:src|href)="(/account/[a-z./]*\?[^"]*v=[^"]+)"', answer.text):
            weight += len(console.visitor.client.get(url).content)
        assert weight < LARGEST_PAGE, (path, weight)
