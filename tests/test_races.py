"""Calls that come at the same moment, in threads of one process: one winner, and every guess counts."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest
import sqlalchemy as sa

from doorward import throttles
from doorward.accounts import flows as accounts
from doorward.core.client import Client
from doorward.core.db import Database
from doorward.core.errors import Refused
from doorward.core.tables import mailed_codes, recovery_codes, sessions
from doorward.core.tables import throttles as waits
from doorward.sessions import flows
from doorward.signin import second_factor
from doorward.users import store as users
from tests.support.person import EMAIL_OTP, OTP_ADDRESS, RECOVERY, TOTP, Person, good, refusal, wrong_code
from tests.support.servers import wait_until
from tests.support.service import EMAIL, PASSWORD, Service
from tests.support.threads import HANDS, at_once, by_many

ROUNDS = 3
INVALID = (401, "OTP_INVALID_EXPIRED")
REVOKED = (401, "TOKEN_REVOKED")


def told(answers: list[httpx.Response]) -> Counter[tuple[int, str]]:
    """How often each answer came: (200, "") for a success."""
    return Counter((each.status_code, "") if each.is_success else refusal(each) for each in answers)


# One winner


def test_a_mailed_code_has_one_winner(service: Service) -> None:
    person = Person.at(service)
    person.enable_email_otp()
    service.clock.advance(60)
    good(person.post(f"{EMAIL_OTP}/challenge", person.access))
    code, access = service.mailed_code(OTP_ADDRESS), person.access
    answers = by_many(lambda _: person.post(f"{EMAIL_OTP}/authenticate", access, otp=code))
    assert told(answers) == {(200, ""): 1, INVALID: HANDS - 1}


def test_a_setup_code_has_one_winner(service: Service) -> None:
    person = Person.at(service)
    access = person.access
    good(person.post(f"{EMAIL_OTP}/setup", access, email=OTP_ADDRESS))
    code = service.mailed_code(OTP_ADDRESS)
    answers = by_many(lambda _: person.post(f"{EMAIL_OTP}/enable", access, otp=code))
    assert told(answers) == {(200, ""): 1, (409, "EMAIL_OTP_UNINITIALIZED"): HANDS - 1}


def test_a_time_step_has_one_winner(service: Service) -> None:
    person = Person.at(service)
    person.enable_totp()
    service.clock.advance(300)
    tokens = [person.access, person.partial]
    code = service.totp_code(person.authenticator)
    answers = told(by_many(lambda number: person.guess_totp(tokens[number % 2], code)))
    assert answers[200, ""] == 1
    assert set(answers) <= {(200, ""), (401, "TOTP_INCORRECT"), (429, "TOO_MANY_TOTP_CHECKS"), REVOKED}


def test_an_enabling_code_has_one_winner(service: Service) -> None:
    person = Person.at(service)
    access = person.access
    authenticator = person.set_totp_up(access)
    code = service.totp_code(authenticator)
    answers = by_many(lambda _: person.post(f"{TOTP}/enable", access, totp=code))
    assert told(answers)[200, ""] == 1
    with service.doorward.env.db.read() as tx:
        assert tx.execute(sa.select(sa.func.count()).select_from(recovery_codes)).scalar() == 10


def test_a_recovery_code_has_one_winner(service: Service) -> None:
    person = Person.at(service)
    person.enable_totp()
    access, code = person.access, person.recovery_codes[0]
    answers = told(by_many(lambda _: person.guess_recovery_code(access, code)))
    assert answers[200, ""] == 1
    assert set(answers) <= {(200, ""), (401, "RECOVERY_CODE_INCORRECT"), (429, "TOO_MANY_RECOVERY_CODE_CHECKS")}


def test_a_partial_token_has_one_winner_who_alone_uses_a_code_up(service: Service) -> None:
    person = Person.at(service)
    person.enable_totp()
    partial = person.partial
    answers = by_many(lambda number: person.guess_recovery_code(partial, person.recovery_codes[number]), 10)
    assert told(answers) == {(200, ""): 1, REVOKED: 9}
    with service.doorward.env.db.read() as tx:
        used = sa.select(sa.func.count()).where(recovery_codes.c.used_at.is_not(None))
        assert tx.execute(used).scalar() == 1


def test_a_reset_code_has_one_winner_whose_password_it_is(service: Service) -> None:
    person = Person.at(service)
    good(person.post("/user/password/reset/send", None, email=EMAIL))
    code = service.mailed_code(EMAIL)
    bodies = [{"userEmail": EMAIL, "otp": code, "newPassword": f"Another-Horse-{number}"} for number in range(HANDS)]
    answers = by_many(lambda number: person.put("/user/password/otp", None, **bodies[number]))
    assert told(answers) == {(204, ""): 1, INVALID: HANDS - 1}
    winner = next(number for number, each in enumerate(answers) if each.is_success)
    assert service.login(password=bodies[winner]["newPassword"])


def test_a_transfer_code_has_one_winner(service: Service) -> None:
    person = Person.at(service)
    access = person.access
    good(person.post("/user/email/initiate", access, email="moved@example.org"))
    code = service.mailed_code("moved@example.org")
    answers = by_many(lambda _: person.put("/user/email", access, otp=code))
    assert told(answers) == {(204, ""): 1, INVALID: HANDS - 1}


def test_of_transfers_to_one_address_one_wins(service: Service) -> None:
    people = [Person.at(service, f"u{number}@example.org") for number in range(8)]
    codes = []
    for person in people:
        good(person.post("/user/email/initiate", person.access, email="wanted@example.org"))
        codes.append(service.mailed_code("wanted@example.org"))
    tokens = [person.access for person in people]
    answers = by_many(lambda number: people[number].put("/user/email", tokens[number], otp=codes[number]), len(people))
    assert told(answers) == {(204, ""): 1, (409, "NEW_EMAIL_ALREADY_IN_USE"): 7}
    names = [person.email for person, each in zip(people, answers, strict=True) if not each.is_success]
    assert all(service.login(name) for name in [*names, "wanted@example.org"])


def test_one_mail_goes_out_however_many_ask(service: Service) -> None:
    person = Person.at(service)
    answers = by_many(lambda _: person.post("/user/password/reset/send", None, email=EMAIL))
    assert told(answers) == {(204, ""): 1, (429, "TOO_MANY_RESET_MAIL_ATTEMPTS"): HANDS - 1}
    person.enable_email_otp()
    service.clock.advance(60)
    access = person.access
    answers = by_many(lambda _: person.post(f"{EMAIL_OTP}/challenge", access))
    assert told(answers) == {(204, ""): 1, (429, "TOO_MANY_OTP_EMAILS"): HANDS - 1}


# The first method and the last


def test_of_two_methods_enabled_at_once_one_gives_the_ten_codes(service: Service) -> None:
    for number in range(ROUNDS):
        person = Person.at(service, f"u{number}@example.org")
        access = person.access
        app = service.totp_code(person.set_totp_up(access))
        good(person.post(f"{EMAIL_OTP}/setup", access, email=f"codes{number}@example.org"))
        mailed = service.mailed_code(f"codes{number}@example.org")
        answers = at_once(
            lambda: person.post(f"{TOTP}/enable", access, totp=app),  # noqa: B023 -- called within the round
            lambda: person.post(f"{EMAIL_OTP}/enable", access, otp=mailed),  # noqa: B023
        )
        given = [good(each)["recoveryCodes"] for each in answers]
        assert sorted(map(len, given)) == [0, 10]
        codes = max(given, key=len)
        assert person.guess_recovery_code(person.access, codes[0]).is_success


def test_two_methods_removed_at_once_take_the_recovery_codes_along(service: Service) -> None:
    for number in range(ROUNDS):
        person = Person.at(service, f"u{number}@example.org")
        person.enable_totp()
        person.enable_email_otp(person.sudo, f"codes{number}@example.org")
        sudo = person.sudo
        answers = at_once(
            lambda: person.delete(TOTP, sudo),  # noqa: B023 -- called within the round
            lambda: person.delete(EMAIL_OTP, sudo),  # noqa: B023
        )
        assert told(answers) == {(204, ""): 2}
        assert good(person.get("/user/2fa", person.access)) == {"enabled": False}


def test_resets_of_the_recovery_codes_at_once_leave_ten(service: Service) -> None:
    person = Person.at(service)
    person.enable_totp()
    sudo, access = person.sudo, person.access
    answers = by_many(lambda _: person.post(f"{RECOVERY}/reset", sudo), 4)
    assert told(answers) == {(200, ""): 4}
    with service.doorward.env.db.read() as tx:
        assert tx.execute(sa.select(sa.func.count()).select_from(recovery_codes)).scalar() == 10
    working = [person.guess_recovery_code(access, good(each)["recoveryCodes"][0]).is_success for each in answers]
    assert sum(working) == 1


def test_confirming_and_removing_an_address_at_once_leaves_one_of_the_two(service: Service) -> None:
    for number in range(ROUNDS):
        person = Person.at(service, f"u{number}@example.org")
        person.enable_email_otp(address=f"old{number}@example.org")
        service.clock.advance(60)
        sudo = person.sudo_by_recovery()
        good(person.post(f"{EMAIL_OTP}/setup", sudo, email=f"new{number}@example.org"))
        code, access = service.mailed_code(f"new{number}@example.org"), person.access
        answers = told(
            at_once(
                lambda: person.post(f"{EMAIL_OTP}/enable", access, otp=code),  # noqa: B023 -- called within the round
                lambda: person.delete(EMAIL_OTP, sudo),  # noqa: B023
            )
        )
        assert answers[204, ""] == 1
        assert answers[200, ""] + answers[409, "EMAIL_OTP_UNINITIALIZED"] == 1
        assert good(person.get("/user/2fa", person.access)) == {"enabled": False}


# Guesses


def test_five_wrong_codes_at_once_are_five_guesses(service: Service) -> None:
    person = Person.at(service)
    person.enable_totp()
    access, wrong = person.access, person.wrong_totp()
    assert told(by_many(lambda _: person.guess_totp(access, wrong), 5)) == {(401, "TOTP_INCORRECT"): 5}
    service.clock.advance(10)
    sixth = person.guess_totp(access, wrong)
    assert refusal(sixth) == (429, "TOO_MANY_TOTP_CHECKS")
    assert sixth.json()["retryAfter"] == 20


def test_of_many_wrong_codes_at_once_five_are_judged(service: Service) -> None:
    person = Person.at(service)
    person.enable_totp()
    access, partial, wrong = person.access, person.partial, person.wrong_totp()
    answers = by_many(lambda number: person.guess_totp(partial if number % 2 else access, wrong))
    assert told(answers) == {(401, "TOTP_INCORRECT"): 5, (429, "TOO_MANY_TOTP_CHECKS"): HANDS - 5}
    assert good(person.get(f"{TOTP}/next-guess", access)) == {"duration": 30}
    answers = by_many(lambda _: person.guess_recovery_code(access))
    assert told(answers) == {
        (401, "RECOVERY_CODE_INCORRECT"): 5,
        (429, "TOO_MANY_RECOVERY_CODE_CHECKS"): HANDS - 5,
    }
    service.clock.advance(30)
    answers = by_many(lambda _: person.guess_totp(access, wrong))
    assert told(answers) == {(401, "TOTP_INCORRECT"): 1, (429, "TOO_MANY_TOTP_CHECKS"): HANDS - 1}
    assert good(person.get(f"{TOTP}/next-guess", access)) == {"duration": 60}


def test_of_many_wrong_passwords_at_once_five_are_judged(service: Service) -> None:
    Person.at(service)
    service.add_user("bob@example.org")
    for name in (EMAIL, "bob@example.org", "nobody@example.org"):
        # From the owner's address, from a stranger's, and at an account that does not exist.
        client = service.from_address("192.0.2.1" if name == EMAIL else f"198.51.100.{len(name)}")
        body = {"username": name, "password": "Wrong-Horse-1"}
        answers = by_many(lambda _: client.post("/auth/login", json=body))  # noqa: B023 -- called within the round
        assert told(answers) == {
            (401, "PASSWORD_INCORRECT"): 5,
            (429, "TOO_MANY_FAILED_PASSWORD_CHECKS"): HANDS - 5,
        }


def test_wrong_tries_at_once_void_a_mailed_code_after_five(service: Service) -> None:
    person = Person.at(service)
    good(person.post("/user/password/reset/send", None, email=EMAIL))
    code = service.mailed_code(EMAIL)
    wrong = wrong_code(code)
    answers = by_many(lambda _: person.post("/user/password/reset/validate", None, email=EMAIL, otp=wrong))
    assert told(answers) == {INVALID: HANDS}
    with service.doorward.env.db.read() as tx:
        row = tx.row(sa.select(mailed_codes))
    assert row is not None
    assert (row.wrong, row.code_hash) == (5, None)
    assert refusal(person.post("/user/password/reset/validate", None, email=EMAIL, otp=code)) == INVALID


def behind_a_wrong_guess(
    service: Service,
    key: str,
    policy: throttles.Policy,
    guess: Callable[[], httpx.Response],
    in_turn_of: int | None = None,
) -> httpx.Response:
    """The answer to a guess that comes while another server counts the fifth wrong one.

    `in_turn_of`: the user whose guesses that server makes wait.
    """
    db = service.doorward.env.db
    with ThreadPoolExecutor(1) as pool:
        with db.write() as tx:
            if in_turn_of is not None:
                users.find(tx, in_turn_of, lock="update")
            for _ in range(5):
                throttles.count_wrong(tx, policy, key)
            answer = pool.submit(guess)
            # SQLite lets no second one write, wherever it waits.
            wait_until(lambda: db.is_sqlite or answer.done() or some_wait(db))
        return answer.result(30)


def some_wait(db: Database) -> bool:
    with db.read() as tx:
        return bool(tx.execute(sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar())


def test_a_right_password_waits_for_a_wrong_one_that_is_being_counted(service: Service) -> None:
    person = Person.at(service)
    key = f"password:user:{person.id}"
    with service.doorward.env.db.write() as tx:
        throttles.count_wrong(tx, throttles.PASSWORD, key)
        tx.execute(sa.update(waits).values(failures=0))
    client = service.from_address("198.51.100.9")
    answer = behind_a_wrong_guess(
        service,
        key,
        throttles.PASSWORD,
        lambda: client.post("/auth/login", json={"username": EMAIL, "password": PASSWORD}),
    )
    assert refusal(answer) == (429, "TOO_MANY_FAILED_PASSWORD_CHECKS")


def test_right_codes_wait_for_a_wrong_one_that_is_being_counted(service: Service) -> None:
    person = Person.at(service)
    person.enable_totp()
    access = person.access
    guesses: dict[str, tuple[throttles.Policy, Callable[[], httpx.Response]]] = {
        "totp": (throttles.TOTP, lambda: person.guess_totp(access, service.totp_code(person.authenticator))),
        "recovery-code": (
            throttles.RECOVERY_CODE,
            lambda: person.guess_recovery_code(access, person.recovery_codes[0]),
        ),
    }
    service.clock.advance(60)
    for method, (policy, guess) in guesses.items():
        key = f"{method}:{person.id}"
        with service.doorward.env.db.write() as tx:
            throttles.reset(tx, key)
        answer = behind_a_wrong_guess(service, key, policy, guess, in_turn_of=person.id)
        assert refusal(answer) == (429, policy.refusal)


# Sessions


def test_one_logout_wins_and_nothing_of_the_session_is_left(service: Service) -> None:
    person = Person.at(service)
    refresh = person.refresh

    def call(number: int) -> httpx.Response:
        if number % 6 == 0:
            return service.call("POST", "/auth/logout", refresh)
        return person.get("/auth/refreshtoken" if number % 2 else "/auth/accesstoken", refresh)

    answers = by_many(call)
    logouts = told(answers[::6])
    assert logouts == {(204, ""): 1, REVOKED: HANDS // 6 - 1}
    for each in answers:
        if each.status_code == 200:
            for path in ("accesstoken/validate", "refreshtoken/validate", "accesstoken", "refreshtoken"):
                assert person.get(f"/auth/{path}", each.text).status_code == 401
        elif each.status_code != 204:
            assert refusal(each) == REVOKED


def test_a_logout_is_too_late_when_another_was_let_in_with_it(service: Service) -> None:
    person = Person.at(service)
    env, client = service.doorward.env, Client("203.0.113.9")
    admitted = env.tokens.read(person.refresh)
    flows.logout(env, admitted, client)
    with pytest.raises(Refused, match="TOKEN_REVOKED"):
        flows.logout(env, admitted, client)


def test_a_login_racing_with_a_new_password_leaves_no_session_of_the_old_one(service: Service) -> None:
    person = Person.at(service)
    good(person.post("/user/password/reset/send", None, email=EMAIL))
    body = {"userEmail": EMAIL, "otp": service.mailed_code(EMAIL), "newPassword": "Another-Horse-2"}

    def call(number: int) -> httpx.Response:
        if number == 0:
            return person.put("/user/password/otp", None, **body)
        return service.call("POST", "/auth/login", json={"username": EMAIL, "password": PASSWORD})

    answers = by_many(call, 8)
    assert answers[0].status_code == 204
    for each in answers[1:]:
        if each.status_code == 200:
            assert refusal(person.get("/auth/accesstoken", each.text)) == REVOKED


@contextmanager
def hashing_held(service: Service) -> Iterator[None]:
    """No password is hashed or checked within the block."""
    hasher = service.doorward.env.hasher
    go_on = threading.Event()
    with ThreadPoolExecutor(hasher._threads) as holders:
        for _ in range(hasher._threads):
            holders.submit(hasher._run, lambda: go_on.wait(30))
        wait_until(lambda: hasher._calls == hasher._threads)
        try:
            yield
        finally:
            go_on.set()


@pytest.mark.parametrize("change", ["password", "disabled"])
def test_a_right_password_is_too_late_when_the_account_changed_while_it_was_checked(
    service: Service, change: str
) -> None:
    user_id = service.add_user()
    db, hasher = service.doorward.env.db, service.doorward.env.hasher
    with ThreadPoolExecutor(1) as pool, hashing_held(service):
        login = pool.submit(service.call, "POST", "/auth/login", json={"username": EMAIL, "password": PASSWORD})
        wait_until(lambda: hasher._calls > hasher._threads)
        with db.write() as tx:
            if change == "disabled":
                users.set_disabled(tx, user_id, disabled=True)
            else:
                user = users.find(tx, user_id)
                assert user is not None
                users.set_password(tx, user, "another hash")
    assert refusal(login.result(30)) == (401, "PASSWORD_INCORRECT")


def test_a_step_up_is_too_late_when_the_user_was_disabled_meanwhile(service: Service) -> None:
    person = Person.at(service)
    person.enable_totp()
    step = second_step(service, person.access)
    accounts.disable(service.doorward.env, EMAIL)
    with pytest.raises(Refused, match="TOKEN_REVOKED"):
        step(person.recovery_codes[0])


def test_a_second_step_is_too_late_when_another_has_begun_the_session_meanwhile(service: Service) -> None:
    person = Person.at(service)
    person.enable_totp()
    step = second_step(service, person.partial)
    assert step(person.recovery_codes[0]).refresh
    with pytest.raises(Refused, match="TOKEN_REVOKED"):
        step(person.recovery_codes[1])


def second_step(service: Service, token: str) -> Callable[[str], second_factor.Granted]:
    """The step by a recovery code, as of when its token was let in."""
    env = service.doorward.env
    admitted = env.tokens.read(token)
    return lambda code: second_factor.by_recovery_code(env, admitted, code, Client("203.0.113.9"))


def test_a_second_step_racing_with_a_new_password_leaves_no_session(service: Service) -> None:
    person = Person.at(service)
    person.enable_totp()
    good(person.post("/user/password/reset/send", None, email=EMAIL))
    body = {"userEmail": EMAIL, "otp": service.mailed_code(EMAIL), "newPassword": "Another-Horse-2"}
    partials = [person.partial for _ in range(8)]

    def call(number: int) -> httpx.Response:
        if number == 0:
            return person.put("/user/password/otp", None, **body)
        return person.guess_recovery_code(partials[number], person.recovery_codes[number])

    answers = by_many(call, 8)
    assert answers[0].status_code == 204
    assert set(told(answers[1:])) <= {(200, ""), REVOKED}
    with service.doorward.env.db.read() as tx:
        assert tx.execute(sa.select(sa.func.count()).where(sessions.c.ended_at.is_(None))).scalar() == 0
