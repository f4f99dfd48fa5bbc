"""Killed in the midst of its work: every answer that a client got still holds after the restart.

`pytest tests/test_crash.py --crash-rounds 50` kills it more often.
"""

import itertools
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import httpx
import pytest
import sqlalchemy as sa

from doorward.accounts import flows as accounts
from doorward.app import Doorward, build
from doorward.core.migrate import migrate
from doorward.core.tables import outbox, throttles
from doorward.mail.worker import LOST
from doorward.settings import load
from tests.support.person import Person, good
from tests.support.postgres import PostgresServer
from tests.support.servers import Remote, Server, Tally, environment, wait_until
from tests.support.service import PASSWORD
from tests.support.smtp import SmtpCatcher
from tests.support.threads import by_many

CLIENTS = 6
DONE_BEFORE_THE_KILL = 90


@dataclass
class Known:
    """What one client was told, and what it asked for without getting an answer."""

    name: str
    password: str = PASSWORD
    asked_password: str | None = None
    live: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)
    unsure: set[str] = field(default_factory=set)
    codes: list[str] = field(default_factory=list)
    used_codes: list[str] = field(default_factory=list)
    mailed: list[str] = field(default_factory=list)


@dataclass
class Setting:
    """The parts that outlive a crash of the server."""

    doorward: Doorward
    server: Server
    smtp: SmtpCatcher
    postgres: PostgresServer | None


@pytest.fixture(params=["sqlite", "postgresql"])
def setting(request: pytest.FixtureRequest, tmp_path: Path, smtp: SmtpCatcher) -> Iterator[Setting]:
    postgres = None
    url = f"sqlite:///{tmp_path / 'doorward.db'}"
    if request.param == "postgresql":
        postgres = cast("PostgresServer", request.getfixturevalue("durable_postgres"))
        url = postgres.create_database("doorward")
    migrate(url)
    environ = environment(url, tmp_path, smtp)
    doorward = build(load({name: value for name, value in environ.items() if name.startswith("DOORWARD_")}))
    server = Server(environ, tmp_path / "server.log")
    yield Setting(doorward, server, smtp, postgres)
    server.stop()
    doorward.close()


class Client(threading.Thread):
    """Logs in, refreshes, logs out, changes its password, uses codes and asks for mails until nobody answers."""

    def __init__(self, remote: Remote, known: Known, mailboxes: Iterator[str], done: Tally) -> None:
        super().__init__()
        self._remote = remote
        self._known = known
        self._mailboxes = mailboxes
        self._done = done
        self.failure: Exception | None = None

    def run(self) -> None:
        steps = (self._log_in, self._ask_for_mail, self._renew, self._log_in, self._use_code, self._log_out)
        try:
            for round_number in itertools.count():
                for step in steps:
                    step()
                    self._done.add()
                if round_number % 3 == 2:
                    self._change_password(f"Another-Horse-{round_number}")
        except httpx.TransportError:
            return  # the kill
        except Exception as error:  # noqa: BLE001 -- told by the test, which waits for this thread
            self.failure = error

    def _log_in(self) -> None:
        known = self._known
        known.live.add(self._remote.login(known.name, known.password))

    def _renew(self) -> None:
        answer = self._remote.call("GET", "/auth/refreshtoken", next(iter(self._known.live)))
        assert answer.status_code == 200, answer.text

    def _log_out(self) -> None:
        known = self._known
        token = known.live.pop()
        known.unsure.add(token)
        answer = self._remote.call("POST", "/auth/logout", token)
        assert answer.status_code == 204, answer.text
        known.unsure.discard(token)
        known.ended.add(token)

    def _change_password(self, new: str) -> None:
        known = self._known
        kept, others = next(iter(known.live)), set(known.live)
        others.discard(kept)
        access = self._remote.access(kept)
        known.live, known.unsure, known.asked_password = {kept}, known.unsure | others, new
        body = {"oldPassword": known.password, "newPassword": new}
        answer = self._remote.call("PUT", "/user/password/old-password", access, json=body)
        assert answer.status_code == 204, answer.text
        known.ended |= others
        known.unsure -= others
        known.password, known.asked_password = new, None

    def _ask_for_mail(self) -> None:
        address = next(self._mailboxes)
        answer = self._remote.call("POST", "/user/password/reset/send", json={"email": address})
        assert answer.status_code == 204, answer.text
        self._known.mailed.append(address)

    def _use_code(self) -> None:
        known = self._known
        if not known.codes:
            return
        code = known.codes.pop()
        partial = self._remote.login(f"2fa-{known.name}")
        path = "/user/2fa/recovery-code/authenticate"
        answer = self._remote.call("POST", path, partial, json={"recoveryCode": code})
        assert answer.status_code == 200, answer.text
        known.used_codes.append(code)


def prepared(remote: Remote, number: int) -> Known:
    """A client with a user of its own, and another with a second factor."""
    name = f"c{number}@example.org"
    Person.at(remote, name)
    second = Person.at(remote, f"2fa-{name}")
    access = second.access
    code = second.set_totp_up(access).now()
    codes = good(second.post("/user/2fa/totp/enable", access, totp=code))["recoveryCodes"]
    return Known(name, codes=codes)


def mailboxes(remote: Remote, prefix: str) -> Iterator[str]:
    """Addresses with accounts, more than a client comes to ask for."""
    found = [f"{prefix}-{number}@example.org" for number in range(DONE_BEFORE_THE_KILL)]
    with remote.doorward.env.db.write() as tx:
        for address in found:
            accounts.add(tx, address, address, None)
    return iter(found)


def hold(remote: Remote, known: Known) -> None:
    """Everything that the client was told is still so. What it was not told is found out."""
    for token in known.live:
        assert remote.call("GET", "/auth/refreshtoken/validate", token).status_code == 200
    for token in known.ended:
        assert remote.call("GET", "/auth/refreshtoken/validate", token).status_code == 401
    body = {"username": known.name, "password": known.password}
    answer = remote.call("POST", "/auth/login", json=body)
    if answer.status_code == 401 and known.asked_password:
        known.password = known.asked_password
        answer = remote.call("POST", "/auth/login", json=body | {"password": known.password})
    assert answer.status_code == 200, answer.text
    known.asked_password = None
    if known.password != PASSWORD:
        assert remote.call("POST", "/auth/login", json=body | {"password": PASSWORD}).status_code == 401
    partial = remote.login(f"2fa-{known.name}")
    for code in known.used_codes[-4:]:
        path = "/user/2fa/recovery-code/authenticate"
        assert remote.call("POST", path, partial, json={"recoveryCode": code}).status_code == 401


def run_and_kill(setting: Setting, facts: list[Known], round_number: int) -> None:
    """Load the running server and kill it, in every other round together with its PostgreSQL."""
    kills_postgres = setting.postgres if round_number % 2 else None
    remote = Remote(setting.doorward, setting.server.url, setting.smtp)
    done = Tally()
    clients = [
        Client(remote, known, mailboxes(remote, f"m{number}-{round_number}"), done)
        for number, known in enumerate(facts)
    ]
    for client in clients:
        client.start()
    done.wait_for(DONE_BEFORE_THE_KILL)
    if kills_postgres is not None:
        kills_postgres.kill()
    setting.server.kill()
    for client in clients:
        client.join()
    remote.close()
    failures = [client.failure for client in clients if client.failure is not None]
    if kills_postgres is not None:
        # That the database died first is told to those who ask in between.
        failures = [each for each in failures if "DATABASE_UNAVAILABLE" not in str(each)]
        kills_postgres.start()
        setting.doorward.env.db.engine.dispose()
    assert failures == []


def let_claims_run_out(doorward: Doorward) -> None:
    """As if the time had passed after which a claim counts as a dead worker's, and a wait is over."""
    with doorward.env.db.write() as tx:
        tx.execute(sa.update(outbox).where(outbox.c.claimed_until.is_not(None)).values(claimed_until=tx.now))
        tx.execute(sa.delete(throttles))


def has_waiting_mails(doorward: Doorward) -> bool:
    with doorward.env.db.read() as tx:
        return tx.execute(sa.select(outbox.c.id).where(outbox.c.failed_at.is_(None))).first() is not None


def given_up(doorward: Doorward) -> list[str]:
    """To whom the mails were that two kills hit: nobody can tell whether they went out, and operators are told."""
    with doorward.env.db.read() as tx:
        rows = tx.execute(sa.select(outbox.c.content, outbox.c.last_error)).all()
    assert {row.last_error for row in rows} <= {LOST}
    return [doorward.env.outbox.open(row.content).to for row in rows]


def test_every_answer_holds_after_a_kill(setting: Setting, pytestconfig: pytest.Config) -> None:
    setting.server.start()
    remote = Remote(setting.doorward, setting.server.url, setting.smtp)
    facts = by_many(lambda number: prepared(remote, number), CLIENTS)
    rounds = pytestconfig.getoption("--crash-rounds")
    for round_number in range(rounds):
        run_and_kill(setting, facts, round_number)
        let_claims_run_out(setting.doorward)
        setting.server.start()
        for known in facts:
            hold(remote, known)
    remote.close()
    wait_until(lambda: not has_waiting_mails(setting.doorward))
    lost = given_up(setting.doorward)
    # Each took two kills of its own.
    assert len(lost) <= rounds // 2
    sent = Counter(to for mail in setting.smtp.mails for to in mail.recipients if to.startswith("m"))
    asked = [address for known in facts for address in known.mailed]
    assert len(asked) >= rounds * CLIENTS
    assert {sent[address] for address in asked if address not in lost} <= {1, 2}
    assert {sent[address] for address in lost} <= {0, 1, 2}
    # Of each kill, one mail at most may have gone out that nobody knew of.
    assert len([address for address in asked if sent[address] == 2]) <= rounds
