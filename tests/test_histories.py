"""Calls of many clients at two servers on one PostgreSQL, and at one on SQLite, as if they had come one by one.

Each round records what was asked and told, and when; a checker looks for an order that a small sequential model
explains (tests/support/linear.py). Brief in the gate; `make fuzz` goes on for long.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jwt
import pytest
from hypothesis import settings

from tests.support.databases import copied_postgresql, copied_sqlite
from tests.support.linear import History, find_order, told_in_order
from tests.support.person import RECOVERY, Person, good, wrong_code
from tests.support.servers import Remote, environment, remotes
from tests.support.smtp import smtp_catcher
from tests.support.threads import by_many
from tests.test_two_servers import enable_totp

ROUNDS = 4 if settings().derandomize else 150
CLIENTS, CALLS = 6, 6
WAIT_NS = 30 * 10**9
"""After five wrong codes; a round that took longer would have seen the wait end."""
REVOKED = "401 TOKEN_REVOKED"
INVALID = "401 OTP_INVALID_EXPIRED"
NEW_PASSWORD = "Another-Horse-2"

pytestmark = pytest.mark.hypothesis


@pytest.fixture(scope="module", params=["postgresql", "sqlite"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    return request.param, tmp_path_factory.mktemp("histories")


@pytest.fixture(scope="module")
def start(request: pytest.FixtureRequest, folder: tuple[str, Path]) -> Iterator[Callable[..., Sequence[Remote]]]:
    """Starts servers with settings: two on PostgreSQL, one on SQLite."""
    kind, path = folder
    with ExitStack() as stack:
        smtp = stack.enter_context(smtp_catcher())

        def started(**given: str) -> Sequence[Remote]:
            if kind == "sqlite":
                url = stack.enter_context(copied_sqlite(request.getfixturevalue("sqlite_template")))
            else:
                template = request.getfixturevalue("postgresql_template")
                url = stack.enter_context(copied_postgresql(request.getfixturevalue("postgres"), template))
            environ = environment(url, path, smtp, **given)
            return stack.enter_context(remotes(environ, smtp, path, 1 if kind == "sqlite" else 2))

        yield started


@pytest.fixture(scope="module")
def servers(start: Callable[..., Sequence[Remote]]) -> Sequence[Remote]:
    return start()


@pytest.fixture(scope="module")
def strict_servers(start: Callable[..., Sequence[Remote]]) -> Sequence[Remote]:
    return start(refresh_rotation="strict", refresh_grace="3600")


@dataclass
class Calls:
    """Asks one of the servers, drawn anew each time."""

    servers: Sequence[Remote]
    draw: random.Random

    def told(self, verb: str, path: str, token: str | None = None, **body: Any) -> tuple[str, str]:
        """Status and refusal, and the text of a success."""
        server = self.draw.choice(self.servers)
        answer = server.call(verb, path, token, **({"json": body} if body else {}))
        if answer.is_success:
            return str(answer.status_code), answer.text
        return f"{answer.status_code} {answer.json()['message']}", ""


def by_clients(seed: str, servers: Sequence[Remote], act: Callable[[random.Random, Calls], None]) -> None:
    """Each client acts so many times, all at once; what they draw depends on the seed alone."""

    def client(number: int) -> None:
        draw = random.Random(f"{seed} {number}")  # noqa: S311 -- no secret
        calls = Calls(servers, draw)
        for _ in range(CALLS):
            act(draw, calls)

    by_many(client, CLIENTS)


def person_of(request: pytest.FixtureRequest, servers: Sequence[Remote], number: int) -> Person:
    name = request.node.originalname.removeprefix("test_")[:30]
    return Person.at(servers[0], f"{name}-{number}@example.org")


# A session, and the reset that ends it


class Account(NamedTuple):
    """Whether the session lives, and the mailed code with its wrong tries."""

    lives: bool = True
    code: bool = True
    wrong: int = 0


def account(state: Account, asked: str, told: str) -> Account | None:
    if asked in {"refresh", "access", "validate"}:
        return state if told == ("200" if state.lives else REVOKED) else None
    if asked == "logout":
        expected = "204" if state.lives else REVOKED
        return state._replace(lives=False) if told == expected else None
    if asked == "guess":
        wrong = state.wrong + state.code
        return state._replace(wrong=wrong, code=state.code and wrong < 5) if told == INVALID else None
    if told != ("204" if state.code else INVALID):
        return None
    return Account(lives=False, code=False, wrong=state.wrong) if asked == "reset" and state.code else state


ACCOUNT_CALLS = ["refresh"] * 5 + ["access"] * 4 + ["validate"] * 4 + ["guess"] * 4 + ["check"] * 3


@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_session_and_a_reset_are_as_if_called_one_by_one(
    servers: Sequence[Remote], request: pytest.FixtureRequest, number: int
) -> None:
    person = person_of(request, servers, number)
    good(servers[0].call("POST", "/user/password/reset/send", json={"email": person.email}))
    code = servers[0].mailed_code(person.email)
    history, refresh = History(), person.refresh
    # In some rounds it is the code that ends the session, in some a logout, in some either.
    ends = [["reset"], ["logout"], ["reset", "logout"]][number % 3]

    def ask(calls: Calls, asked: str) -> str:
        if asked in {"guess", "check"}:
            otp = code if asked == "check" else wrong_code(code)
            return calls.told("POST", "/user/password/reset/validate", email=person.email, otp=otp)[0]
        if asked == "reset":
            body = {"userEmail": person.email, "otp": code, "newPassword": NEW_PASSWORD}
            return calls.told("PUT", "/user/password/otp", **body)[0]
        verb, path = {
            "refresh": ("GET", "refreshtoken"),
            "access": ("GET", "accesstoken"),
            "validate": ("GET", "refreshtoken/validate"),
            "logout": ("POST", "logout"),
        }[asked]
        return calls.told(verb, f"/auth/{path}", refresh)[0]

    def act(draw: random.Random, calls: Calls) -> None:
        asked = draw.choice(ACCOUNT_CALLS + ends)
        history.make(asked, lambda: ask(calls, asked))

    by_clients(f"account {number}", servers, act)
    assert find_order(history.calls, Account(), account) is not None, told_in_order(history.calls)


# Codes that are used up, and guesses


class Codes(NamedTuple):
    """Wrong guesses in a row, and the recovery codes that were used."""

    wrong: int = 0
    used: frozenset[str] = frozenset()


def codes(state: Codes, asked: str, told: str) -> Codes | None:
    if state.wrong >= 5:
        return state if told == "429 TOO_MANY_RECOVERY_CODE_CHECKS" else None
    if asked == "wrong" or asked in state.used:
        return state._replace(wrong=state.wrong + 1) if told == "401 RECOVERY_CODE_INCORRECT" else None
    return Codes(0, state.used | {asked}) if told == "200" else None


@pytest.mark.parametrize("number", range(ROUNDS))
def test_codes_and_guesses_are_as_if_called_one_by_one(
    servers: Sequence[Remote], request: pytest.FixtureRequest, number: int
) -> None:
    person = person_of(request, servers, number)
    enable_totp(person)
    access, history = person.access, History()

    def act(draw: random.Random, calls: Calls) -> None:
        asked = draw.choice(["wrong", "wrong", *map(str, range(6))])
        typed = "Z" * 16 if asked == "wrong" else person.recovery_codes[int(asked)]
        history.make(asked, lambda: calls.told("POST", f"{RECOVERY}/authenticate", access, recoveryCode=typed)[0])

    by_clients(f"codes {number}", servers, act)
    took = max(each.ended for each in history.calls) - min(each.began for each in history.calls)
    assert took < WAIT_NS, "too slow a machine for this test"
    assert find_order(history.calls, Codes(), codes) is not None, told_in_order(history.calls)


# Refresh tokens that are good for one renewal


class Chain(NamedTuple):
    """The session's newest refresh token and the one before it, by `jti`; whether it lives."""

    newest: str
    previous: str = ""
    lives: bool = True


def chain(state: Chain, asked: str, told: str) -> Chain | None:
    """`asked` is the token that is shown; `told` the one that is given."""
    if told == REVOKED:
        # Of a session that lives, an older token ends it.
        return state._replace(lives=False) if not state.lives or asked not in {state.newest, state.previous} else None
    if not state.lives:
        return None
    if asked == state.newest:
        return Chain(told, asked) if told not in {state.newest, state.previous} else None
    return state if asked == state.previous and told == state.newest else None


def jti(token: str) -> str:
    return str(jwt.decode(token, options={"verify_signature": False})["jti"])


@pytest.mark.parametrize("number", range(ROUNDS))
def test_renewals_of_one_time_tokens_are_as_if_called_one_by_one(
    strict_servers: Sequence[Remote], request: pytest.FixtureRequest, number: int
) -> None:
    person = person_of(request, strict_servers, number)
    history, known = History(), [person.refresh]

    def act(draw: random.Random, calls: Calls) -> None:
        # Mostly the newest that anybody has been given; now and then one that was stolen earlier.
        shown = known[-1] if draw.random() < 0.9 else draw.choice(known)

        def renewed() -> str:
            told, token = calls.told("GET", "/auth/refreshtoken", shown)
            if not token:
                return told
            if token not in known:
                known.append(token)
            return jti(token)

        history.make(jti(shown), renewed)

    by_clients(f"chain {number}", strict_servers, act)
    assert find_order(history.calls, Chain(jti(person.refresh)), chain) is not None, told_in_order(history.calls)


def test_the_models_refuse_what_must_not_be() -> None:
    assert account(Account(lives=False), "access", "200") is None
    assert account(Account(code=False), "reset", "204") is None
    assert account(Account(wrong=4), "guess", INVALID) == Account(code=False, wrong=5)
    assert codes(Codes(used=frozenset("0")), "0", "200") is None
    assert codes(Codes(wrong=5), "1", "200") is None
    assert chain(Chain("b", "a"), "a", "c") is None
    assert chain(Chain("c", "b"), "a", REVOKED) == Chain("c", "b", lives=False)
    assert Counter(ACCOUNT_CALLS).keys().isdisjoint({"logout", "reset"})
