"""Where a fault is played: a database, people who make ready for a request, the fault, and the audit after it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import httpx
import sqlalchemy as sa

from doorward.core.clock import DAY, SECOND
from doorward.core.tables import outbox
from doorward.env import Env
from doorward.mail.outbox import NEVER as GIVEN_UP
from tests.faults.control import Control
from tests.faults.facts import Facts, difference, facts_of
from tests.faults.flows import Flow, Ready
from tests.faults.victim import Victim, victim
from tests.support.contract import hold
from tests.support.person import Person
from tests.support.postgres import PostgresServer
from tests.support.servers import HOST, environment
from tests.support.service import Service, running
from tests.support.smtp import SmtpCatcher

NOBODY_LISTENS = "smtp://127.0.0.1:1"
PATIENCE_S = 30

State = Literal["not done", "done", "no change"]


class HalfDone(AssertionError):
    """The database holds neither what it held before the request nor what it holds after it."""


@dataclass(frozen=True)
class Reference:
    """What the database holds of a person before a flow's request and after it, where nothing goes wrong."""

    before: Facts
    after: Facts


@dataclass(frozen=True)
class Outcome:
    """What was answered, if anything, and what the audit found before the request was repeated."""

    status: int | None
    state: State


class Local(Service):
    """The service in this process, called from the address that a real server sees."""

    @property
    def client(self) -> httpx.Client:
        return self.from_address(HOST)


@dataclass
class Stage:
    """One database, with the clock of all that stands on it."""

    url: str
    folder: Path
    smtp: SmtpCatcher
    control: Control
    postgres: PostgresServer | None = None
    references: dict[str, Reference] = field(default_factory=dict)
    people: int = 0

    @contextmanager
    def service(self, flow: Flow) -> Iterator[Service]:
        """The service as it is after a start, in this process."""
        with running(self.url, self.folder, self.control, self.smtp, **flow.settings) as service:
            yield Local(service.doorward, service.clock, service.smtp)

    @contextmanager
    def server(self, flow: Flow, *, unprivileged: bool = False) -> Iterator[Victim]:
        """A real one, which sends no mails."""
        given = {**flow.settings, "smtp_url": NOBODY_LISTENS}
        environ = environment(self.url, self.folder, self.smtp, **given)
        with victim(environ, self.folder, self.control.path, unprivileged=unprivileged) as server:
            yield server

    def make_ready(self, flow: Flow) -> Ready:
        """Another person, at the beginning of a day on which nobody waits any more."""
        self.control.disarm()
        self.control.advance((2 * DAY - self.control.now_ms() % DAY) / SECOND)
        self.people += 1
        with self.service(flow) as service:
            ready = flow.make_ready(Person.at(service, f"p{self.people}@example.org"))
            service.deliver()
            return ready

    def reference(self, flow: Flow) -> Reference:
        """Found by doing it."""
        if flow.name not in self.references:
            ready = self.make_ready(flow)
            with self.service(flow) as service:
                person, env = ready.person, service.doorward.env
                person.service = service
                before = facts_of(env, person)
                answer = ready.request.at(service)
                assert answer.status_code == flow.status, answer.text
                self.references[flow.name] = Reference(before, facts_of(env, person))
                ready.holds()
        return self.references[flow.name]

    def audit(self, flow: Flow, ready: Ready, status: int | None) -> State:
        """What a start after the fault finds. Raises HalfDone, AssertionError for an answer that does not hold.

        What was not done is asked for again, and then holds.
        """
        reference, person = self.reference(flow), ready.person
        self.control.disarm()
        with self.service(flow) as service:
            person.service = service
            env = service.doorward.env
            state = _state(reference, facts_of(env, person), told=status == flow.status)
            if state == "not done":
                again = ready.request.at(service)
                assert again.status_code == flow.status, again.text
                now = facts_of(env, person)
                assert now == reference.after, difference(now, reference.after)
            let_mails_be_tried(env)
            ready.holds()
        return state


def ask(ready: Ready, url: str) -> int | None:
    """The status that a real server answers; None where no answer comes. Every answer keeps the contract."""
    request = ready.request
    headers = {} if request.token is None else {"Authorization": f"Bearer {request.token}"}
    body = None if request.body is None else dict(request.body)
    with httpx.Client(base_url=url, timeout=PATIENCE_S, event_hooks={"response": [hold]}) as client:
        try:
            return client.request(request.verb, request.path, headers=headers, json=body).status_code
        except httpx.TransportError:
            return None


def let_mails_be_tried(env: Env) -> None:
    """As if the time had passed after which a mail is tried again, or a claim counts as a dead worker's."""
    with env.db.write() as tx:
        waiting = outbox.c.next_attempt_at < GIVEN_UP
        tx.execute(sa.update(outbox).where(waiting).values(next_attempt_at=tx.now, claimed_until=None))


def _state(reference: Reference, now: Facts, *, told: bool) -> State:
    if now == reference.after:
        return "no change" if now == reference.before else "done"
    if told:
        raise AssertionError(f"it was told as done:\n{difference(now, reference.after)}")
    if now != reference.before:
        raise HalfDone(
            f"beside before:\n{difference(now, reference.before)}\nbeside after:\n{difference(now, reference.after)}"
        )
    return "not done"
