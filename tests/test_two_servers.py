"""Two server processes on one PostgreSQL: as one to their clients."""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import pyotp
import pytest
import sqlalchemy as sa

from doorward.app import build_env
from doorward.core.clock import SystemClock
from doorward.core.db import Database
from doorward.core.migrate import HEAD
from doorward.core.schema import current
from doorward.core.tables import outbox, recovery_codes, signing_keys
from doorward.settings import load
from tests.support.databases import copied_postgresql
from tests.support.person import EMAIL_OTP, TOTP, Person, good, refusal
from tests.support.postgres import PostgresServer
from tests.support.servers import Remote, environment, remotes, run_all, wait_until
from tests.support.smtp import SmtpCatcher, smtp_catcher
from tests.support.threads import HANDS, at_once, by_many

INVALID = (401, "OTP_INVALID_EXPIRED")
REVOKED = (401, "TOKEN_REVOKED")


@pytest.fixture(scope="module")
def pair(
    postgres: PostgresServer, postgresql_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sequence[Remote]]:
    """Two servers that were started at once, for the first time, on a database with a schema only."""
    folder = tmp_path_factory.mktemp("pair")
    with (
        smtp_catcher() as smtp,
        copied_postgresql(postgres, postgresql_template) as url,
        remotes(environment(url, folder, smtp), smtp, folder, 2) as found,
    ):
        yield found


@pytest.fixture
def person(pair: Sequence[Remote], request: pytest.FixtureRequest) -> Person:
    """A new person at the first of the servers."""
    name = request.node.name.removeprefix("test_")[:40]
    return Person.at(pair[0], f"{name}@example.org")


def told(answers: Sequence[httpx.Response]) -> Counter[tuple[int, str]]:
    return Counter((each.status_code, "") if each.is_success else refusal(each) for each in answers)


def code_of(authenticator: pyotp.TOTP, step: int = 0) -> str:
    """By the real time, as the servers go by it."""
    return authenticator.at(SystemClock().now_ms() // 1000 + 30 * step)


def enable_totp(person: Person) -> None:
    """With the code of the step before, so that the present one and the next are unused."""
    access = person.access
    authenticator = person.set_totp_up(access)
    answer = person.post(f"{TOTP}/enable", access, totp=code_of(authenticator, -1))
    person.totp, person.recovery_codes = authenticator, good(answer)["recoveryCodes"]


def test_a_token_of_one_is_good_at_the_other_at_once(pair: Sequence[Remote], person: Person) -> None:
    keys = [good(each.call("GET", "/.well-known/jwks.json"))["keys"] for each in pair]
    assert len(keys[0]) == 1
    assert keys[0] == keys[1]
    for one, other in (pair, pair[::-1]):
        access = other.access(one.login(person.email))
        assert good(one.call("GET", "/auth/accesstoken/validate", access)) == {"userId": person.id}


def test_a_logout_at_one_holds_at_the_other_at_once(pair: Sequence[Remote], person: Person) -> None:
    for _ in range(10):
        refresh = pair[0].login(person.email)
        access = pair[1].access(refresh)
        assert pair[0].call("POST", "/auth/logout", refresh).status_code == 204
        assert refusal(pair[1].call("GET", "/auth/accesstoken/validate", access)) == REVOKED
        assert refusal(pair[1].call("GET", "/auth/refreshtoken", refresh)) == REVOKED


def test_a_reset_code_has_one_winner(pair: Sequence[Remote], person: Person) -> None:
    good(pair[0].call("POST", "/user/password/reset/send", json={"email": person.email}))
    code = pair[0].mailed_code(person.email)

    def reset(number: int) -> httpx.Response:
        body = {"userEmail": person.email, "otp": code, "newPassword": f"Another-Horse-{number}"}
        return pair[number % 2].call("PUT", "/user/password/otp", json=body)

    answers = by_many(reset)
    assert told(answers) == {(204, ""): 1, INVALID: HANDS - 1}
    winner = next(number for number, each in enumerate(answers) if each.is_success)
    assert pair[1].login(person.email, f"Another-Horse-{winner}")


def test_a_mailed_code_has_one_winner(pair: Sequence[Remote], person: Person) -> None:
    address = f"codes-{person.email}"
    person.enable_email_otp(address=address)
    pair[0].forget_waits()
    pair[0].smtp.clear()
    access = person.access
    answers = by_many(lambda number: pair[number % 2].call("POST", f"{EMAIL_OTP}/challenge", access))
    assert told(answers) == {(204, ""): 1, (429, "TOO_MANY_OTP_EMAILS"): HANDS - 1}
    body = {"otp": pair[0].mailed_code(address)}
    answers = by_many(lambda number: pair[number % 2].call("POST", f"{EMAIL_OTP}/authenticate", access, json=body))
    assert told(answers) == {(200, ""): 1, INVALID: HANDS - 1}


def test_a_time_step_has_one_winner(pair: Sequence[Remote], person: Person) -> None:
    enable_totp(person)
    access, body = person.access, {"totp": code_of(person.authenticator, 1)}
    answers = told(by_many(lambda number: pair[number % 2].call("POST", f"{TOTP}/authenticate", access, json=body)))
    assert answers[200, ""] == 1
    assert set(answers) <= {(200, ""), (401, "TOTP_INCORRECT"), (429, "TOO_MANY_TOTP_CHECKS")}


def test_a_recovery_code_and_a_partial_token_have_one_winner(pair: Sequence[Remote], person: Person) -> None:
    enable_totp(person)
    partial = person.partial
    path = "/user/2fa/recovery-code/authenticate"

    def guess(number: int) -> httpx.Response:
        body = {"recoveryCode": person.recovery_codes[number // 2 % 4]}
        return pair[number % 2].call("POST", path, partial, json=body)

    answers = by_many(guess)
    assert told(answers)[200, ""] == 1
    with pair[0].doorward.env.db.read() as tx:
        of_person = recovery_codes.c.user_id == person.id
        used = sa.select(sa.func.count()).where(of_person, recovery_codes.c.used_at.is_not(None))
        assert tx.execute(used).scalar() == 1


def test_of_many_wrong_codes_at_once_five_are_judged(pair: Sequence[Remote], person: Person) -> None:
    enable_totp(person)
    access, wrong = person.access, {"totp": "abcdef"}
    answers = by_many(lambda number: pair[number % 2].call("POST", f"{TOTP}/authenticate", access, json=wrong))
    assert told(answers) == {(401, "TOTP_INCORRECT"): 5, (429, "TOO_MANY_TOTP_CHECKS"): HANDS - 5}


def test_of_two_methods_enabled_at_once_one_gives_the_ten_codes(pair: Sequence[Remote]) -> None:
    for number in range(2):
        person = Person.at(pair[0], f"enables{number}@example.org")
        access, address = person.access, f"codes{number}@example.org"
        app = {"totp": code_of(person.set_totp_up(access))}
        good(person.post(f"{EMAIL_OTP}/setup", access, email=address))
        mailed = {"otp": pair[0].mailed_code(address)}
        answers = at_once(
            lambda: pair[0].call("POST", f"{TOTP}/enable", access, json=app),  # noqa: B023 -- called within the round
            lambda: pair[1].call("POST", f"{EMAIL_OTP}/enable", access, json=mailed),  # noqa: B023
        )
        assert sorted(len(good(each)["recoveryCodes"]) for each in answers) == [0, 10]


def test_of_transfers_to_one_address_one_wins(pair: Sequence[Remote]) -> None:
    people = [Person.at(pair[number % 2], f"moves{number}@example.org") for number in range(4)]
    codes: list[str] = []
    for person in people:
        pair[0].smtp.clear()
        good(person.post("/user/email/initiate", person.access, email="wanted@example.org"))
        codes.append(pair[0].mailed_code("wanted@example.org"))
    tokens = [person.access for person in people]
    answers = by_many(lambda number: people[number].put("/user/email", tokens[number], otp=codes[number]), len(people))
    assert told(answers) == {(204, ""): 1, (409, "NEW_EMAIL_ALREADY_IN_USE"): len(people) - 1}


def test_a_logout_ends_every_token_however_they_race(pair: Sequence[Remote], person: Person) -> None:
    refresh = person.refresh

    def call(number: int) -> httpx.Response:
        if number % 8 == 0:
            return pair[number // 8 % 2].call("POST", "/auth/logout", refresh)
        return pair[number % 2].call("GET", "/auth/refreshtoken", refresh)

    answers = by_many(call)
    assert told(answers[::8]) == {(204, ""): 1, REVOKED: 2}
    for each in answers:
        if each.status_code == 200:
            assert refusal(pair[0].call("GET", "/auth/refreshtoken/validate", each.text)) == REVOKED


def waiting(server: Remote) -> int | None:
    """How many mails wait in the outbox."""
    with server.doorward.env.db.read() as tx:
        return tx.execute(sa.select(sa.func.count()).select_from(outbox)).scalar()


def test_the_mail_workers_of_both_send_each_mail_once(pair: Sequence[Remote]) -> None:
    pair[0].smtp.clear()
    addresses = [f"once{number}@example.org" for number in range(HANDS)]
    for address in addresses:
        pair[0].add_user(address, password=None)
    answers = by_many(
        lambda number: pair[number % 2].call("POST", "/user/password/reset/send", json={"email": addresses[number]})
    )
    assert told(answers) == {(204, ""): HANDS}
    pair[0].smtp.wait_for(HANDS, 30)
    wait_until(lambda: waiting(pair[0]) == 0)
    sent = Counter(to for mail in pair[0].smtp.mails for to in mail.recipients if to in addresses)
    assert sent == dict.fromkeys(addresses, 1)


# First starts

MIGRATE = "import sys; from doorward.core.migrate import migrate; migrate(sys.argv[1])"


def test_migrations_at_once_on_an_empty_postgresql_agree(
    postgres: PostgresServer, tmp_path: Path, smtp: SmtpCatcher
) -> None:
    url = postgres.create_database("empty_at_first")
    environ = environment(url, tmp_path, smtp)
    command = [sys.executable, "-c", MIGRATE, url]
    assert run_all([command] * 2, environ) == [(0, "")] * 2
    database = Database(url, SystemClock())
    assert current(database).version == HEAD
    database.close()
    postgres.drop_database("empty_at_first")


def test_servers_that_start_at_once_on_an_empty_folder_agree(tmp_path: Path, smtp: SmtpCatcher) -> None:
    environ = environment("", tmp_path / "data", smtp, secret_key="")
    with remotes(environ, smtp, tmp_path, 3) as servers:
        Person.at(servers[0])
        access = servers[1].access(servers[0].login())
        for server in servers:
            assert len(good(server.call("GET", "/.well-known/jwks.json"))["keys"]) == 1
            assert server.call("GET", "/auth/accesstoken/validate", access).status_code == 200


def test_first_starts_at_once_make_one_signing_key(database_url: str, tmp_path: Path, smtp: SmtpCatcher) -> None:
    environ = environment(database_url, tmp_path, smtp)
    settings = load({name: value for name, value in environ.items() if name.startswith("DOORWARD_")})
    envs = by_many(lambda _: build_env(settings), 8)
    with envs[0].db.read() as tx:
        assert tx.execute(sa.select(sa.func.count()).select_from(signing_keys)).scalar() == 1
    for env in envs:
        env.hasher.close()
        env.db.close()
