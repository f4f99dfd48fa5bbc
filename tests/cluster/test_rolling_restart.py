"""Two servers behind HAProxy are restarted in turn under 200 requests a second, and none is lost."""

import itertools
import re
import threading
import time
from collections import Counter
from pathlib import Path

import httpx

from doorward.app import build
from doorward.settings import load
from tests.cluster.programs import haproxy
from tests.support.databases import copied_postgresql
from tests.support.person import Person
from tests.support.postgres import PostgresServer
from tests.support.servers import WAIT_S, Remote, Server, Tally, environment, wait_until
from tests.support.smtp import SmtpCatcher

PAGE = Path(__file__).parents[2] / "docs" / "many-servers.md"
A_SECOND = 200
CLIENTS = 16
DELAY_S = "3"
SETTLED = 400
"""Requests that are answered before the first restart, between two and after the last."""


class Load:
    """So many requests a second: reads and writes by turns, over connections that are kept."""

    def __init__(self, url: str, refresh: str) -> None:
        self._url = url
        self._refresh = refresh
        self._turns = itertools.count()
        self._began = time.monotonic()
        self._over = threading.Event()
        self.done = Tally()
        self.told: list[str] = []
        self._threads = [threading.Thread(target=self._run) for _ in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> float:
        """Requests a second that were sent in all."""
        self._over.set()
        for thread in self._threads:
            thread.join()
        return len(self.told) / (time.monotonic() - self._began)

    def _run(self) -> None:
        with httpx.Client(base_url=self._url, timeout=WAIT_S) as client:
            while True:
                turn = next(self._turns)
                if self._over.wait(max(0.0, self._began + turn / A_SECOND - time.monotonic())):
                    return
                self.told.append(self._ask(client, turn))
                self.done.add()

    def _ask(self, client: httpx.Client, turn: int) -> str:
        headers = {"Authorization": f"Bearer {self._refresh}"}
        try:
            if turn % 4:
                return str(client.get("/auth/accesstoken", headers=headers).status_code)
            body = {"email": f"nobody{turn}@example.org"}
            return str(client.post("/user/password/reset/send", json=body).status_code)
        except httpx.HTTPError as error:
            return type(error).__name__


def test_a_rolling_restart_loses_no_request(
    postgres: PostgresServer, postgresql_template: str, tmp_path: Path, smtp: SmtpCatcher
) -> None:
    found = re.search(r"```haproxy\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None
    with copied_postgresql(postgres, postgresql_template) as url:
        environ = environment(url, tmp_path, smtp, shutdown_delay=DELAY_S)
        servers = [Server(environ, tmp_path / f"server-{number}.log").start() for number in range(2)]
        doorward = build(load({name: value for name, value in environ.items() if name.startswith("DOORWARD_")}))
        with haproxy(found[1], [server.port for server in servers], tmp_path) as balancer:
            remote = Remote(doorward, balancer.url, smtp)
            requests = Load(balancer.url, Person.at(remote).refresh)
            for number, server in enumerate(servers, 1):
                requests.done.wait_for(SETTLED * number)
                server.terminate()
                assert server.ended() == 0
                server.start()
                wait_until(lambda: balancer.up() == len(servers))
            requests.done.wait_for(len(requests.told) + SETTLED)
            rate = requests.stop()
            remote.close()
        doorward.close()
        for server in servers:
            server.stop()
    told = Counter(requests.told)
    print(f"{told.total()} requests at {rate:.0f}/s: {dict(told)}")  # noqa: T201 -- the figure of the documentation
    assert set(told) == {"200", "204"}
