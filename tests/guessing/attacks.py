"""Attackers who guess whenever the service lets them, against the whole service with a clock that is turned.

Each makes real calls over HTTP. A guess counts when it was judged: answered as wrong while a right one would have been
answered as right.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx
import sqlalchemy as sa

from doorward.accounts import flows as accounts
from doorward.core.clock import DAY, SECOND
from doorward.core.tables import mailed_codes
from tests.support.person import EMAIL_OTP, Person, good, wrong_code
from tests.support.service import EMAIL, PASSWORD, Service

Days = Callable[[Service, int], list[int]]
WRONG = "Wrong-Horse-1"
HOUR_S = 3600


@dataclass
class Attack:
    """A service under attack, and the guesses that were judged so far, by day."""

    service: Service
    days: int

    def __post_init__(self) -> None:
        self.judged = [0] * self.days
        self._began = self.service.clock.now_ms()

    @property
    def day(self) -> int:
        return (self.service.clock.now_ms() - self._began) // DAY

    def run(self, guess: Callable[[int], httpx.Response]) -> list[int]:
        """Guess for all the days, again at the moment that each refusal names."""
        number = 0
        while self.day < self.days:
            self.note(guess(number))
            number += 1
        return self.judged

    def note(self, answer: httpx.Response) -> None:
        """Count an answer; wait out a refusal."""
        if answer.status_code == 401:
            self.judged[self.day] += 1
        else:
            assert answer.status_code == 429, answer.text
            self.wait(answer)

    def wait(self, refused: httpx.Response) -> None:
        self.service.clock.advance(wait_of(refused))


def wait_of(answer: httpx.Response) -> int:
    """Seconds that the answer says to wait; 0 for one that is no refusal to wait."""
    return int(answer.headers.get("Retry-After", 0))


def addresses(count: int) -> Iterator[str]:
    """So many client addresses, again and again."""
    while True:
        for number in range(count):
            yield f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def log_in(service: Service, name: str, password: str, address: str) -> httpx.Response:
    return service.from_address(address).post("/auth/login", json={"username": name, "password": password})


def names_of(service: Service, count: int) -> list[str]:
    """New accounts, by one hash: how an account came by its hash does not matter here."""
    names = [f"user{number}@example.org" for number in range(count)]
    password_hash = service.doorward.env.hasher.hash(PASSWORD)
    with service.doorward.env.db.write() as tx:
        for name in names:
            accounts.add(tx, name, name, password_hash)
    return names


# Passwords


def botnet_on_one_account(service: Service, days: int, count: int) -> list[int]:
    """`count` addresses, each guess from the next of them, at one account."""
    service.add_user()
    sources = addresses(count)
    return Attack(service, days).run(lambda _: log_in(service, EMAIL, WRONG, next(sources)))


def one_address_on_many_accounts(service: Service, days: int, count: int) -> list[int]:
    """One address, each guess at the next of `count` accounts."""
    names = names_of(service, count)
    return Attack(service, days).run(lambda number: log_in(service, names[number % count], WRONG, "10.0.0.1"))


def botnet_on_many_accounts(service: Service, days: int, count: int) -> list[int]:
    """`count` addresses at `count` accounts: who is refused at one goes on to the next, until all refuse."""
    names = names_of(service, count)
    attack = Attack(service, days)
    next_at = {(source, name): 0 for source in range(count) for name in names}
    while attack.day < days:
        for (source, name), at in next_at.items():
            if at > service.clock.now_ms():
                continue
            answer = log_in(service, name, WRONG, f"10.0.0.{source}")
            if answer.status_code == 401:
                attack.judged[attack.day] += 1
            else:
                next_at[source, name] = service.clock.now_ms() + SECOND * wait_of(answer)
        until_next = min(next_at.values()) - service.clock.now_ms()
        service.clock.advance(max(0, until_next) / SECOND)
    return attack.judged


# The owner meanwhile


@dataclass
class Siege:
    """A botnet that guesses at one account at every moment when a guess is allowed, before anybody else does."""

    service: Service
    judged: int = 0

    def __post_init__(self) -> None:
        self._sources = addresses(10_000)
        self._next_at = 0

    def until(self, at: int) -> None:
        """Go on until then (milliseconds), with the guess that is due then."""
        clock = self.service.clock
        while self._next_at <= at:
            clock.advance(max(0, self._next_at - clock.now_ms()) / SECOND)
            answer = log_in(self.service, EMAIL, WRONG, next(self._sources))
            self.judged += answer.status_code == 401
            self._next_at = clock.now_ms() + SECOND * wait_of(answer)
        clock.advance((at - clock.now_ms()) / SECOND)

    def for_seconds(self, seconds: int) -> None:
        self.until(self.service.clock.now_ms() + seconds * SECOND)


def owner_tries(siege: Siege, address: str, times: int) -> list[int]:
    """Seconds that the owner is told to wait, at each of so many hours; 0 where the right password logs in."""
    waits = []
    for _ in range(times):
        siege.for_seconds(HOUR_S + 7)
        waits.append(wait_of(log_in(siege.service, EMAIL, PASSWORD, address)))
    return waits


def owner_retries(siege: Siege, address: str, hours: int) -> int | None:
    """Seconds until an owner who tries again when told to is logged in; None if that is not within the hours."""
    began = siege.service.clock.now_ms()
    while (answer := log_in(siege.service, EMAIL, PASSWORD, address)).status_code != 200:
        siege.for_seconds(wait_of(answer))
        if siege.service.clock.now_ms() - began > hours * HOUR_S * SECOND:
            return None
    return (siege.service.clock.now_ms() - began) // SECOND


def owner_resets(siege: Siege, address: str) -> int:
    """Seconds that the owner is told to wait after a new password was set by a mailed code from the same address."""
    client, password = siege.service.from_address(address), "Another-Horse-2"
    good(client.post("/user/password/reset/send", json={"email": EMAIL}))
    body = {"userEmail": EMAIL, "otp": siege.service.mailed_code(EMAIL), "newPassword": password}
    good(client.put("/user/password/otp", json=body))
    return wait_of(log_in(siege.service, EMAIL, password, address))


# Codes, by one who has the password


def totp_codes(service: Service, days: int, *, owner_logs_in: bool = False) -> list[int]:
    """Codes of an authenticator; the owner logs in with a right one every day, or never."""
    person = Person.at(service)
    person.enable_totp()
    attack = Attack(service, days)
    while attack.day < days:
        today = attack.day
        while attack.day == today:
            attack.note(person.guess_totp(person.partial))
        if owner_logs_in:
            owner_answers(person)
    return attack.judged


def owner_answers(person: Person) -> None:
    """Log in with a right code, after the wait there is."""
    service = person.service
    while (
        answer := person.guess_totp(person.partial, service.next_totp_code(person.authenticator))
    ).status_code == 429:
        service.clock.advance(wait_of(answer))
    good(answer)


def recovery_codes(service: Service, days: int) -> list[int]:
    person = Person.at(service)
    person.enable_totp()
    return Attack(service, days).run(lambda _: person.guess_recovery_code(person.partial))


def email_otp_codes(service: Service, days: int) -> list[int]:
    """Codes mailed for the second step: a new one as soon as it may be asked for."""
    person = Person.at(service)
    person.enable_email_otp()
    address = "codes@example.org"
    return mailed_codes_guessed(
        Attack(service, days),
        address,
        lambda: person.post(f"{EMAIL_OTP}/challenge", person.partial),
        lambda code: person.post(f"{EMAIL_OTP}/authenticate", person.partial, otp=code),
    )


def reset_codes(service: Service, days: int) -> list[int]:
    """Codes mailed for a new password; for these not even the password is needed."""
    service.add_user()
    return mailed_codes_guessed(
        Attack(service, days),
        EMAIL,
        lambda: service.call("POST", "/user/password/reset/send", json={"email": EMAIL}),
        lambda code: service.call("POST", "/user/password/reset/validate", json={"email": EMAIL, "otp": code}),
    )


def mailed_codes_guessed(
    attack: Attack, address: str, ask: Callable[[], httpx.Response], guess: Callable[[str], httpx.Response]
) -> list[int]:
    """Ask for a code whenever one may be asked for, and guess while there is one to be right about."""
    service = attack.service
    while attack.day < attack.days:
        asked = ask()
        if asked.status_code == 429:
            attack.wait(asked)
            continue
        good(asked)
        wrong = wrong_code(service.mailed_code(address))
        service.smtp.clear()
        while is_code_alive(service):
            attack.note(guess(wrong))
    return attack.judged


def is_code_alive(service: Service) -> bool:
    alive = sa.and_(mailed_codes.c.code_hash.is_not(None), mailed_codes.c.expires_at > service.clock.now_ms())
    with service.doorward.env.db.read() as tx:
        return tx.row(sa.select(mailed_codes.c.subject).where(alive)) is not None
