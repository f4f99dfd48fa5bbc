"""Clients that log in, renew, log out and change passwords while the database moves; an audit of their answers."""

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import httpx

from tests.support.person import Person, refusal
from tests.support.servers import WAIT_S, Remote, Tally
from tests.support.service import PASSWORD

CLIENTS = 8
SETTLED = 200
"""Acknowledged writes before the primary goes, and again once there is another."""
REFUSED = 16
"""Refusals that are seen before the standby is promoted."""
PAUSE_S = 0.05


@dataclass
class Known:
    """What one client was told of a user's sessions and of another user's password."""

    sessions: str
    changes: str
    refresh: str
    live: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    passwords: list[str] = field(default_factory=lambda: [PASSWORD])
    """The one that was confirmed last, and those since of which no answer told."""


@dataclass
class Log:
    """Beginning, end and success of each call of all clients, by the monotonic clock."""

    calls: list[tuple[float, float, bool]] = field(default_factory=list)
    done: Tally = field(default_factory=Tally)
    refused: Tally = field(default_factory=Tally)
    successes: int = 0
    refusals: int = 0

    def add(self, begun: float, *, success: bool) -> None:
        self.calls.append((begun, time.monotonic(), success))
        if success:
            self.successes += 1
            self.done.add()
        else:
            self.refusals += 1
            self.refused.add()

    def outage(self, since: float) -> float:
        """Seconds until the last refusal was told."""
        return max(0.0, *(ended - since for _, ended, success in self.calls if not success))

    def longest(self) -> float:
        return max(ended - begun for begun, ended, _ in self.calls)


class Client(threading.Thread):
    """Logs in, renews, logs out and changes passwords at both servers by turns until it is told to stop."""

    def __init__(self, servers: Sequence[Remote], known: Known, log: Log, over: threading.Event) -> None:
        super().__init__()
        self._servers = itertools.cycle(servers)
        self._known = known
        self._log = log
        self._over = over
        self.failure: Exception | None = None

    def run(self) -> None:
        try:
            for number in itertools.count():
                for step in (self._log_in, self._renew, self._log_in, self._log_out, self._change_password):
                    if self._over.is_set():
                        return
                    step(number)
        except Exception as error:  # noqa: BLE001 -- told by the test, which waits for this thread
            self.failure = error

    def _call(self, verb: str, path: str, token: str | None = None, **body: str) -> httpx.Response | None:
        """The answer, or None where the database was not there."""
        begun = time.monotonic()
        answer = next(self._servers).call(verb, path, token, json=body or None)
        self._log.add(begun, success=answer.is_success)
        if answer.is_success:
            return answer
        assert refusal(answer) == (503, "DATABASE_UNAVAILABLE"), answer.text
        assert int(answer.headers["retry-after"]) > 0
        self._over.wait(PAUSE_S)
        return None

    def _log_in(self, _: int) -> None:
        answer = self._call("POST", "/auth/login", username=self._known.sessions, password=PASSWORD)
        if answer is not None:
            self._known.live.append(answer.text)

    def _renew(self, _: int) -> None:
        if self._known.live:
            self._call("GET", "/auth/refreshtoken", self._known.live[0])

    def _log_out(self, _: int) -> None:
        if self._known.live:
            # Without an answer nobody knows what became of it.
            token = self._known.live.pop(0)
            if self._call("POST", "/auth/logout", token) is not None:
                self._known.ended.append(token)

    def _change_password(self, number: int) -> None:
        known = self._known
        access = self._call("GET", "/auth/accesstoken", known.refresh)
        if access is None or len(known.passwords) > 1:
            return
        new = f"Another-Horse-{number}"
        body = {"oldPassword": known.passwords[0], "newPassword": new}
        known.passwords.append(new)
        if self._call("PUT", "/user/password/old-password", access.text, **body) is not None:
            known.passwords.remove(body["oldPassword"])


class Load:
    """All clients at once, at two servers that know both nodes."""

    def __init__(self, servers: Sequence[Remote], prefix: str = "") -> None:
        self.log = Log()
        self._servers = servers
        self._over = threading.Event()
        self._facts = [_known(servers[0], f"{prefix}{number}") for number in range(CLIENTS)]
        # What prepared the users is no server: it keeps no connections.
        servers[0].doorward.env.db.close()
        self._clients = [Client(servers, known, self.log, self._over) for known in self._facts]
        for client in self._clients:
            client.start()

    def settle(self) -> None:
        """Wait for successes, as many again."""
        self.log.done.wait_for(self.log.successes + SETTLED)

    def be_refused(self) -> None:
        self.log.refused.wait_for(self.log.refusals + REFUSED)

    def stop(self) -> None:
        self._over.set()
        for client in self._clients:
            client.join(WAIT_S)
        failures = [str(client.failure) for client in self._clients if client.failure]
        assert not failures, failures

    def audit(self) -> str:
        """Hold every answer against what each server says now; tells how many there were."""
        for known in self._facts:
            for server in self._servers:
                _hold(server, known)
        live, ended = (sum(len(getattr(known, name)) for known in self._facts) for name in ("live", "ended"))
        assert live
        assert ended
        return f"{live} sessions live and {ended} ended, as told"


def _known(server: Remote, name: str) -> Known:
    sessions, changes = f"s{name}@example.org", f"p{name}@example.org"
    server.add_user(sessions)
    return Known(sessions, changes, Person.at(server, changes).refresh)


def _hold(server: Remote, known: Known) -> None:
    for token in (*known.live, known.refresh):
        assert server.call("GET", "/auth/accesstoken", token).status_code == 200
    for token in known.ended:
        assert refusal(server.call("GET", "/auth/accesstoken", token)) == (401, "TOKEN_REVOKED")
    logins = [{"username": known.changes, "password": password} for password in known.passwords]
    answers = [server.call("POST", "/auth/login", json=body).status_code for body in logins]
    assert answers.count(200) == 1, answers


def take_over(load: Load, promote: Callable[[], object], begun: float) -> None:
    """Promote the standby once calls are refused, and wait until they succeed; prints what it took."""
    load.be_refused()
    promoted = time.monotonic()
    promote()
    load.settle()
    load.settle()
    load.stop()
    refused, after = load.log.outage(begun), load.log.outage(promoted)
    print(  # noqa: T201 -- the figures of the documentation
        f"{load.log.successes} successes, {load.log.refusals} refusals for {refused:.1f} s, "
        f"{after:.1f} s of it after the promotion was asked for; the longest answer took {load.log.longest():.1f} s; "
        f"{load.audit()}"
    )
