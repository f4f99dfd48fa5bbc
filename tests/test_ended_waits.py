"""Waits that an administrator ends: whose, how many guesses that gives away, and what is kept of it."""

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from doorward.accounts import waits
from doorward.accounts.flows import NoSuchUser
from doorward.administration import keys
from doorward.audit import By
from doorward.core.clock import DAY
from doorward.core.tables import throttles
from doorward.throttles import LOCKED
from tests.support.cli import SECRET_KEY, Cli
from tests.support.console import BOB, events, guess
from tests.support.person import Person, good, refusal
from tests.support.service import EMAIL, PASSWORD, Service
from tests.support.threads import at_once
from tests.support.visitor import Visitor

HOME, STRANGER, AWAY = "203.0.113.9", "198.51.100.7", "192.0.2.77"
HELPDESK = By("helpdesk", "ticket 4711", "192.0.2.1")


def status(service: Service, address: str, password: str = PASSWORD, name: str = EMAIL) -> int:
    return service.from_address(address).post("/auth/login", json={"username": name, "password": password}).status_code


def ended(service: Service) -> list[waits.Guessed]:
    return waits.end_waits(service.doorward.env, EMAIL, HELPDESK)


def test_the_account_is_free_at_once_and_the_network_that_guessed_is_not(service: Service) -> None:
    service.add_user()
    service.add_user(BOB)
    guess(service, EMAIL, STRANGER)
    assert status(service, AWAY) == 429
    assert ended(service) == ["password"]
    assert status(service, STRANGER) == 429
    assert status(service, STRANGER, name=BOB) == 429
    assert status(service, AWAY) == 200


def test_the_wait_of_a_place_where_the_user_signed_in_before_is_ended_too(service: Service) -> None:
    service.add_user()
    assert status(service, HOME) == 200
    guess(service, EMAIL, HOME)
    assert status(service, HOME) == 429
    assert ended(service) == ["password"]
    assert status(service, HOME) == 200


def test_it_gives_one_guess_away_and_no_more_however_many_come_at_once(service: Service) -> None:
    service.add_user()
    guess(service, EMAIL, STRANGER)
    for wait in (2, 4, 8):
        ended(service)
        found = at_once(*[lambda number=number: status(service, f"192.0.2.{number}", "wrong") for number in range(4)])
        assert sorted(found) == [401, 429, 429, 429]
        refused = service.from_address(AWAY).post("/auth/login", json={"username": EMAIL, "password": PASSWORD})
        assert refused.json()["retryAfter"] == wait


def test_a_locked_method_takes_one_code_and_a_wrong_one_locks_it_again(service: Service) -> None:
    person = Person.at(service)
    person.enable_totp()
    access = person.access
    lock(service, person)
    for guess_right in (False, True):
        answer = person.guess_totp(access, service.next_totp_code(person.authenticator))
        assert refusal(answer) == (429, "TOO_MANY_TOTP_CHECKS")
        assert ended(service) == ["totp", "recovery-code"]
        if not guess_right:
            assert refusal(person.guess_totp(access)) == (401, "TOTP_INCORRECT")
            assert person.guess_recovery_code(access).status_code == 401
    assert person.authenticated(access)
    # A right one frees it as ever: five wrong ones are free again.
    assert [person.guess_totp(access).status_code for _ in range(6)] == [401] * 5 + [429]


def lock(service: Service, person: Person) -> None:
    for guess_wrong in (person.guess_totp, person.guess_recovery_code):
        assert guess_wrong(person.access).status_code == 401
    with service.doorward.env.db.write() as tx:
        tx.execute(sa.update(throttles).values(failures=100, next_at=LOCKED))


def test_pauses_between_mails_stay_and_where_nothing_waits_nothing_happens(service: Service) -> None:
    user_id = service.add_user()
    service.call("POST", "/user/password/reset/send", json={"email": EMAIL})
    guess(service, EMAIL, STRANGER, 4)
    assert ended(service) == []
    again = service.call("POST", "/user/password/reset/send", json={"email": EMAIL})
    assert refusal(again) == (429, "TOO_MANY_RESET_MAIL_ATTEMPTS")
    assert events(service, user_id, "waits.ended") == []
    with pytest.raises(NoSuchUser):
        waits.end_waits(service.doorward.env, BOB)


def test_an_event_tells_what_was_ended_by_whom_and_why_and_the_user_reads_of_it(service: Service) -> None:
    user_id = service.add_user()
    guess(service, EMAIL, STRANGER)
    at_once(*[lambda: ended(service)] * 4)
    (event,) = events(service, user_id, "waits.ended")
    assert (event.detail, event.actor, event.reason, event.client_address) == (
        "password", "helpdesk", "ticket 4711", "192.0.2.1",
    )  # fmt: skip
    visitor = Visitor.at(service, "/account/activity")
    visitor.sign_in()
    assert "Waits after wrong passwords or codes were ended by an administrator" in visitor.text
    assert "ticket" not in visitor.text


def test_a_key_that_can_make_an_account_anothers_ends_waits_and_a_lesser_one_does_not(service: Service) -> None:
    user_id = service.add_user()
    guess(service, EMAIL, STRANGER)
    at, body = f"/admin/api/users/{user_id}/end-waits", {"reason": "ticket 4711"}
    env = service.doorward.env
    lesser = keys.create(env, "lesser", ("users:read", "users:write", "users:delete"), DAY)
    assert refusal(service.call("POST", at, lesser, json=body)) == (403, "SCOPE_MISSING")
    key = keys.create(env, "helpdesk", ("credentials:write",), DAY)
    assert service.call("POST", at, key, json={}).status_code == 400
    assert good(service.call("POST", at, key, json=body)) == {"ended": ["password"]}
    assert good(service.call("POST", at, key, json=body)) == {"ended": []}
    assert status(service, AWAY) == 200


def test_the_command_line_asks_for_a_reason(
    start: Callable[..., Service],
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    service = start(secret_key=SECRET_KEY)
    monkeypatch.setattr("doorward.app.SystemClock", lambda: service.clock)
    cli = Cli(database_url, tmp_path, monkeypatch, capfd)
    service.add_user()
    guess(service, EMAIL, STRANGER)
    end = ("users", "end-waits", EMAIL)
    assert cli.run(*end).code == 2
    assert status(service, AWAY) == 429
    assert "(password): each allows one try now" in cli.must(*end, "--reason", "ticket 4711")
    assert "Nothing of" in cli.must(*end, "--reason", "ticket 4711")
    guess(service, EMAIL, AWAY, 1)
    assert cli.run(*end, "--reason", "ticket 4711", "--json").rows == [{"ended": ["password"]}]
