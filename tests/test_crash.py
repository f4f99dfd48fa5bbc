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

from doorward.app import Doorward, build
from doorward.core.migrate import migrate
from doorward.core.tables import outbox, throttles
from doorward.settings import load
from tests.support.person import Person, good
from tests.support.postgres import PostgresServer
from tests.support.servers import Remote, Server, Tally, environment, wait_until
from tests.support.service import PASSWORD
from tests.support.smtp import SmtpCatcher

CLIENTS = 6
DONE_BEFORE_THE_KILL = 120


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


def prepared(remote: Remote, number: int, round_number: int) -> Known:
    name = f"c{number}-{round_number}@example.org"
    Person.at(remote, name)
    second = Person.at(remote, f"2fa-{name}")
    access = second.access
    authenticator = second.set_totp_up(access)
    code = authenticator.now()
    codes = good(second.post("/user/2fa/totp/enable", access, totp=code))["recoveryCodes"]
    return Known(name, codes=codes[1:])


def mailboxes(remote: Remote, prefix: str, count: int) -> Iterator[str]:
    """Addresses with accounts."""
    found = [f"{prefix}-{number}@example.org" for number in range(count)]
    for address in found:
        remote.add_user(address, password=None)
    return iter(found)


def hold(remote: Remote, known: Known) -> None:
    """Everything that the client was told is still so."""
    for token in known.live:
        assert remote.call("GET", "/auth/refreshtoken/validate", token).status_code == 200
        assert remote.call("GET", "/auth/accesstoken", token).status_code == 200
    for token in known.ended:
        assert remote.call("GET", "/auth/refreshtoken/validate", token).status_code == 401
    body = {"username": known.name, "password": known.password}
    answer = remote.call("POST", "/auth/login", json=body)
    if answer.status_code == 401 and known.asked_password:
        answer = remote.call("POST", "/auth/login", json=body | {"password": known.asked_password})
    assert answer.status_code == 200, answer.text
    if known.password != PASSWORD:
        assert remote.call("POST", "/auth/login", json=body | {"password": PASSWORD}).status_code == 401
    partial = remote.login(f"2fa-{known.name}")
    for code in known.used_codes[-4:]:
        path = "/user/2fa/recovery-code/authenticate"
        assert remote.call("POST", path, partial, json={"recoveryCode": code}).status_code == 401


def run_and_kill(setting: Setting, round_number: int) -> list[Known]:
    setting.server.start()
    remote = Remote(setting.doorward, setting.server.url, setting.smtp)
    done = Tally()
    facts = [prepared(remote, number, round_number) for number in range(CLIENTS)]
    clients = [
        Client(remote, known, mailboxes(remote, f"m{number}-{round_number}", 60), done)
        for number, known in enumerate(facts)
    ]
    for client in clients:
        client.start()
    done.wait_for(DONE_BEFORE_THE_KILL)
    if setting.postgres is not None and round_number % 2:
        setting.postgres.kill()
    setting.server.kill()
    for client in clients:
        client.join()
    remote.close()
    failures = [client.failure for client in clients if client.failure is not None]
    # A database that dies first is told as such by those that notice.
    if setting.postgres is not None and round_number % 2:
        failures = [each for each in failures if "DATABASE_UNAVAILABLE" not in str(each)]
        setting.postgres.start()
        setting.doorward.env.db.engine.dispose()
    assert failures == []
    return facts


def let_claims_run_out(doorward: Doorward) -> None:
    """As if the time had passed after which a claim counts as a dead worker's."""
    with doorward.env.db.write() as tx:
        tx.execute(sa.update(outbox).where(outbox.c.claimed_until.is_not(None)).values(claimed_until=tx.now))
        tx.execute(sa.delete(throttles).where(throttles.c.key.like("%mail:%")))


def outbox_is_empty(doorward: Doorward) -> bool:
    with doorward.env.db.read() as tx:
        return tx.execute(sa.select(sa.func.count()).select_from(outbox)).scalar() == 0


def test_every_answer_holds_after_a_kill(setting: Setting, pytestconfig: pytest.Config) -> None:
    everything: list[Known] = []
    for round_number in range(pytestconfig.getoption("--crash-rounds")):
        everything += run_and_kill(setting, round_number)
        let_claims_run_out(setting.doorward)
        setting.server.start()
        remote = Remote(setting.doorward, setting.server.url, setting.smtp)
        for known in everything[-CLIENTS:]:
            hold(remote, known)
        wait_until(lambda: outbox_is_empty(setting.doorward))
        remote.close()
        setting.server.stop()
    sent = Counter(to for mail in setting.smtp.mails for to in mail.recipients if to.startswith("m"))
    asked = [address for known in everything for address in known.mailed]
    assert len(asked) >= CLIENTS
    assert {sent[address] for address in asked} <= {1, 2}
    assert len([address for address in asked if sent[address] == 2]) <= len(everything)
