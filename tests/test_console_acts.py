"""What an administrator does with a user at the console: what each act asks for, and what it leaves."""

import re

from doorward.accounts import flows as accounts
from doorward.mail.notices import MailChoice
from tests.support.console import ADMINISTRATOR, BOB, REASON, Console, events, guess
from tests.support.person import Person
from tests.support.visitor import OTHER_SITE, SAME_ORIGIN, Visitor

ACTS = {
    "disable": "user.disabled",
    "end-sessions": "session.ended",
    "end-waits": "waits.ended",
    "reset-factors": "factor.disabled",
    "set-address": "address.changed",
    "delete": "user.deleted",
}
"""Each asks for a fresh second factor, and leaves an event."""


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
        guess(console.service, bob.email, f"198.51.100.{number}")
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
    acts += [f"/admin/users/{carl}/enable", "/admin/users/create", "/admin/users/invite"]
    forms = {}
    for at in acts:
        console.visitor.go(at)
        forms[at] = console.visitor.hidden(at) | {"reason": REASON, "email": "new@example.org"}
    console.service.clock.advance(301)
    for at, form in forms.items():
        answer = console.visitor.client.post(at, data=form, headers=SAME_ORIGIN)
        assert answer.headers["Location"] == f"/account/confirm?next={at}"
    assert [each.reason for user in (bob, carl) for each in events(console.service, user) if each.reason] == []
    console.go("/users?q=new@example.org")
    assert "Nobody’s username or address begins" in console.text


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
        (own, OTHER_SITE),
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
        assert set(console.act_at_once(f"/users/{bob}/{act}")) <= {303, 404}
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


def test_waits_are_ended_where_there_are_any(console: Console) -> None:
    bob = console.service.add_user(BOB)
    console.go(f"/users/{bob}")
    assert "End the waits" not in console.text
    guess(console.service, BOB, "198.51.100.7")
    # It is the account's wait that is ended: the network's, which others share, stays.
    console.go(f"/users/{bob}")
    assert f'href="/admin/users/{bob}/end-waits"' in console.visitor.page.text
    console.go(f"/users/{bob}/end-waits")
    assert "make sure that it is the user who asks you" in console.text
    assert console.visitor.send(f"/admin/users/{bob}/end-waits").status_code == 422
    console.visitor.send(f"/admin/users/{bob}/end-waits", reason=REASON)
    assert "The waits are ended: each allows one try now." in console.text
    assert "whoever comes from a new place" not in console.findings
    assert "from 198.51.100.7, for any account" in console.findings
    assert "Waits after wrong passwords or codes were ended by an administrator" in console.text
    assert "End the waits" not in console.text
