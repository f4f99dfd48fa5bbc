"""A user who is added, and one who is invited, at the console."""

import sqlalchemy as sa

from doorward.core.tables import users
from tests.support.console import ADMINISTRATOR, BOB, REASON, Console, events
from tests.support.person import notices
from tests.support.service import PASSWORD
from tests.support.visitor import OTHER_SITE, SAME_ORIGIN


def new_user(console: Console, act: str, **typed: str) -> int:
    """Somebody is added by the page; gives the id."""
    console.go("/users")
    assert f'href="/admin/users/{act}"' in console.visitor.page.text
    console.act(f"/users/{act}", **typed)
    assert console.visitor.page.status_code == 200, console.text
    return int(console.visitor.path.rpartition("/")[2])


def told(console: Console, user_id: int) -> list[tuple[str, str | None, str | None, str | None]]:
    """What is kept of who acted, the oldest first."""
    found = reversed(events(console.service, user_id))
    return [(each.type, each.actor, each.reason, each.client_address) for each in found]


def test_a_user_is_added_without_a_mail_and_chooses_a_password_by_a_reset(console: Console) -> None:
    bob = new_user(console, "create", email=f" {BOB} ", username="bob")
    assert "The account is made. Its user can choose a password" in console.text
    by = (f"user {console.person.id}", REASON, "192.0.2.1")
    assert told(console, bob) == [("user.created", *by)]
    assert notices(console.service, BOB) == []
    console.service.call("POST", "/user/password/reset/send", json={"email": BOB})
    first_password(console)
    assert console.service.login("bob")


def test_somebody_is_invited_in_a_language_of_theirs(console: Console) -> None:
    bob = new_user(console, "invite", email=BOB, language="nl")
    assert "The account is made, and the invitation is on its way." in console.text
    by = (f"user {console.person.id}", REASON, "192.0.2.1")
    assert told(console, bob) == [("user.created", *by), ("user.invited", *by)]
    assert "<dt>Language</dt><dd>Nederlands</dd>" in console.visitor.page.text
    assert "uitnodiging" in notices(console.service, BOB)[0]
    first_password(console)
    assert console.service.login(BOB)


def first_password(console: Console) -> None:
    body = {"userEmail": BOB, "otp": console.service.mailed_code(BOB), "newPassword": PASSWORD}
    assert console.service.call("PUT", "/user/password/otp", json=body).status_code == 204


def test_what_is_wrong_is_told_at_its_field_and_what_was_typed_stays(console: Console) -> None:
    console.service.add_user("carl@example.org", username="carl")
    cases = (
        ("create", {"email": ""}, "email", "Enter"),
        ("create", {"email": "nonsense"}, "email", "Write the address"),
        ("create", {"email": ADMINISTRATOR}, "email", "Another account has this address"),
        ("create", {"email": "carl@example.org", "username": "new"}, "email", "Another account has this address"),
        ("create", {"email": BOB, "username": "CARL"}, "username", "Another account has this username"),
        ("create", {"email": BOB, "username": "b\0b"}, "username", "A username has 1 to 256 characters"),
        ("create", {"email": BOB, "username": "x" * 300}, "username", "A username has 1 to 256 characters"),
        ("create", {"email": "x" * 60_000}, "email", "256 characters at most"),
        ("create", {"email": BOB, "reason": ""}, "reason", "Say why"),
        ("invite", {"email": "bob@mailinator.com"}, "email", "not accepted"),
        ("invite", {"email": BOB, "language": "nl", "reason": "two\nlines"}, "reason", "Say why"),
    )
    for act, typed, field, said in cases:
        assert console.act(f"/users/{act}", **{"reason": REASON} | typed).status_code == 422, typed
        assert said in console.visitor.page.text.partition(f'id="{field}-problem"')[2].partition("</p>")[0], typed
        for kept in ({"reason": REASON, "email": BOB} | typed).values():
            assert len(kept) > 200 or not kept.isprintable() or kept in console.visitor.page.text
    assert '<option value="nl" lang="nl" selected>' in console.visitor.page.text
    with console.service.doorward.env.db.read() as tx:
        assert tx.execute(sa.select(sa.func.count()).select_from(users)).scalar_one() == 2


def test_a_form_of_another_site_adds_nobody(console: Console) -> None:
    for act in ("create", "invite"):
        at = f"/admin/users/{act}"
        console.visitor.go(at)
        own = console.visitor.hidden(at) | {"email": BOB, "reason": REASON}
        for form, headers in ((own | {"form_token": ""}, SAME_ORIGIN), (own, OTHER_SITE)):
            assert console.visitor.client.post(at, data=form, headers=headers).status_code == 403
    console.go(f"/users?q={BOB}")
    assert "Nobody’s username" in console.text


def test_of_many_who_invite_somebody_at_once_one_does(console: Console) -> None:
    assert console.act_at_once("/users/invite", email=BOB, language="<xx>") == [303, 422, 422, 422]
    assert len(notices(console.service, BOB)) == 1
