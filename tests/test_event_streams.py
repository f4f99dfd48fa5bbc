"""Events reach those who collect them: signed, in order, at least once, and with many servers by one of them."""

import hashlib
import hmac
import io
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from doorward.audit import record
from doorward.core.logs import json_line, logger
from doorward.core.tables import event_cursors
from doorward.events.forward import BATCH, CLAIM, Forwarder
from doorward.events.shown import SealedEvent
from doorward.settings import Settings, SettingsError, load, shown
from tests.support.service import Service
from tests.support.threads import by_many

SECRET = "a-webhook-secret-of-32-signs-or-more"
FROM = "203.0.113.9"


class Collector:
    """A webhook's other end, which answers with `status`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.status = 204
        self.posts: list[tuple[str, dict[str, str], bytes]] = []

    @property
    def seqs(self) -> list[int]:
        return [event["seq"] for _, _, body in self.posts for event in json.loads(body)["events"]]


@contextmanager
def collecting() -> Iterator[Collector]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            running.posts.append((self.path, dict(self.headers), body))
            self.send_response(running.status)
            if running.status == 302:
                self.send_header("Location", f"{running.url}/elsewhere")
            self.end_headers()
            self.wfile.write(b"words-of-the-receiver")

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        running = Collector(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield running
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(name="collector")
def one_collector() -> Iterator[Collector]:
    with collecting() as running:
        yield running


def hooked(start: Callable[..., Service], collector: Collector) -> Service:
    return start(event_webhook_url=f"{collector.url}/events?of=doorward", event_webhook_secret=SECRET)


def happen(service: Service, times: int) -> None:
    for _ in range(times):
        with service.doorward.env.db.write() as tx:
            record(tx, "login.refused", user_id=99, client_address=FROM)
    while service.doorward.events.run_once():
        pass


def forward(service: Service) -> None:
    """Send until nothing is left, or the receiver must be waited for."""
    for forwarder in service.doorward.forwarders:
        while forwarder.run_once():
            pass


def test_a_webhook_gets_what_is_sealed_signed_with_the_time(
    start: Callable[..., Service], collector: Collector
) -> None:
    service = hooked(start, collector)
    service.add_user()
    forward(service)
    assert collector.posts == []
    happen(service, 1)
    forward(service)
    [(path, headers, body)] = collector.posts
    assert path == "/events?of=doorward"
    assert headers["Content-Type"] == "application/json"
    at = service.clock.now_ms() // 1000
    expected = hmac.new(SECRET.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    assert headers["Doorward-Signature"] == f"t={at},v1={expected}"
    made, refused = json.loads(body)["events"]
    assert (made["type"], made["seq"]) == ("user.created", 1)
    assert refused == {
        "id": 2,
        "seq": 2,
        "at": "2026-01-01T00:00:00.000Z",
        "type": "login.refused",
        "userId": 99,
        "sessionId": None,
        "clientAddress": FROM,
        "detail": None,
        "actor": None,
        "reason": None,
        "sealedAt": "2026-01-01T00:00:00.000Z",
        "digest": refused["digest"],
    }
    forward(service)
    assert len(collector.posts) == 1


@pytest.mark.parametrize("status", [302, 400, 410, 500])
def test_a_webhook_that_refuses_is_tried_again_later_and_later(
    start: Callable[..., Service], collector: Collector, status: int
) -> None:
    service = hooked(start, collector)
    happen(service, 1)
    collector.status = status
    for tries, wait in enumerate((2, 4, 8, 16), 1):
        forward(service)
        assert len(collector.posts) == tries
        service.clock.advance(wait - 0.001)
        forward(service)
        assert len(collector.posts) == tries
        service.clock.advance(0.001)
    service.clock.advance(3600)
    collector.status = 204
    happen(service, 1)
    forward(service)
    assert collector.seqs == [1, 1, 1, 1, 1, 2]
    assert {path for path, _, _ in collector.posts} == {"/events?of=doorward"}
    collector.status = status
    happen(service, 1)
    forward(service)
    tries = len(collector.posts)
    service.clock.advance(2)
    forward(service)
    assert len(collector.posts) == tries + 1


def test_a_receiver_that_is_away_loses_nothing_over_a_restart(start: Callable[..., Service]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        away = f"http://127.0.0.1:{free.getsockname()[1]}"
    service = start(event_webhook_url=away, event_webhook_secret=SECRET)
    happen(service, 3)
    forward(service)
    service.clock.advance(3600)
    with collecting() as collector:
        again = hooked(start, collector)
        happen(again, BATCH)
        forward(again)
        assert collector.seqs == list(range(1, BATCH + 4))


def test_many_servers_send_each_event_once_and_in_order(start: Callable[..., Service], collector: Collector) -> None:
    servers = [hooked(start, collector) for _ in range(3)]
    happen(servers[0], 3 * BATCH + 5)
    by_many(lambda number: forward(servers[number % 3]), 6)
    forward(servers[0])
    assert collector.seqs == list(range(1, 3 * BATCH + 6))


def test_a_server_that_died_while_it_sent_is_taken_over(start: Callable[..., Service], collector: Collector) -> None:
    service = hooked(start, collector)
    happen(service, 1)
    forward(service)
    happen(service, 1)
    with service.doorward.env.db.write() as tx:
        tx.execute(sa.update(event_cursors).values(claimed_until=tx.now + CLAIM))
    forward(service)
    assert collector.seqs == [1]
    service.clock.advance(CLAIM / 1000)
    forward(service)
    assert collector.seqs == [1, 2]


class Slow:
    """A receiver that takes events while another server takes the claim over."""

    name = "slow"

    def __init__(self, service: Service) -> None:
        self._db = service.doorward.env.db

    def send(self, events: Sequence[SealedEvent]) -> None:
        with self._db.write() as tx:
            tx.execute(sa.update(event_cursors).values(claimed_until=tx.now + 2 * CLAIM))


def test_who_lost_the_claim_moves_nothing(service: Service) -> None:
    happen(service, 1)
    Forwarder(service.doorward.env.db, Slow(service)).run_once()
    with service.doorward.env.db.read() as tx:
        [cursor] = tx.execute(sa.select(event_cursors)).all()
    assert (cursor.seq, cursor.claimed_until) == (0, service.clock.now_ms() + 2 * CLAIM)


def test_nothing_of_the_answer_or_the_secret_is_logged(
    start: Callable[..., Service], collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = io.BytesIO()
    monkeypatch.setattr(logger, "_stream", kept)
    monkeypatch.setattr(logger, "_format", json_line)
    service = hooked(start, collector)
    happen(service, 1)
    collector.status = 500
    forward(service)
    line = json.loads(kept.getvalue())
    assert line | {"at": ""} == {
        "at": "",
        "level": "warning",
        "event": "events delayed",
        "receiver": "webhook",
        "reason": "status 500",
        "wait_s": 2,
    }


def test_lines_are_appended_to_a_file_that_may_be_moved(start: Callable[..., Service], tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    service = start(event_lines=str(file))
    happen(service, 2)
    forward(service)
    assert [json.loads(line)["seq"] for line in file.read_text("utf-8").splitlines()] == [1, 2]
    assert file.stat().st_mode & 0o777 == 0o600
    file.rename(tmp_path / "events.jsonl.1")
    happen(service, 1)
    forward(service)
    assert [json.loads(line)["seq"] for line in file.read_text("utf-8").splitlines()] == [3]
    with file.open("a") as torn:
        torn.write('{"seq":')
    happen(service, 1)
    forward(service)
    assert json.loads(file.read_text("utf-8").splitlines()[-1])["seq"] == 4


def test_lines_go_to_standard_output(start: Callable[..., Service], capfd: pytest.CaptureFixture[str]) -> None:
    service = start(event_lines="-")
    happen(service, 2)
    forward(service)
    assert [json.loads(line)["seq"] for line in capfd.readouterr().out.splitlines()] == [1, 2]


def test_a_file_that_can_t_be_written_is_tried_again(start: Callable[..., Service], tmp_path: Path) -> None:
    file = tmp_path / "later" / "events.jsonl"
    service = start(event_lines=str(file))
    happen(service, 1)
    forward(service)
    file.parent.mkdir()
    service.clock.advance(2)
    forward(service)
    assert json.loads(file.read_text("utf-8"))["seq"] == 1


def held(message: str, seq: int) -> None:
    """That a message is RFC 5424, with the event as its text."""
    pattern = r"<108>1 2026-01-01T00:00:00\.000Z [\w.-]+ doorward - login\.refused - (\{.*\})"
    found = re.fullmatch(pattern, message)
    assert found is not None, message
    assert json.loads(found[1])["seq"] == seq


@pytest.mark.parametrize("kind", ["udp", "unix"])
def test_syslog_gets_a_datagram_an_event(start: Callable[..., Service], tmp_path: Path, kind: str) -> None:
    with socket.socket(socket.AF_INET if kind == "udp" else socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.settimeout(10)
        server.bind(("127.0.0.1", 0) if kind == "udp" else str(tmp_path / "log"))
        place = f"127.0.0.1:{server.getsockname()[1]}" if kind == "udp" else str(tmp_path / "log")
        service = start(event_syslog_url=f"{kind}://{place}")
        happen(service, 2)
        forward(service)
        for seq in (1, 2):
            held(server.recv(4096).decode(), seq)


def test_syslog_over_tcp_tells_the_length_of_each_message(start: Callable[..., Service]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        service = start(event_syslog_url=f"tcp://127.0.0.1:{server.getsockname()[1]}")
        happen(service, 2)
        forward(service)
        connection, _ = server.accept()
        with connection, connection.makefile("rb") as stream:
            received = stream.read()
    for seq in (1, 2):
        length, _, rest = received.partition(b" ")
        held(rest[: int(length)].decode(), seq)
        received = rest[int(length) :]
    assert received == b""


def settings(**given: str) -> Settings:
    return load({f"DOORWARD_{name.upper()}": value for name, value in given.items()})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"event_webhook_url": "http://example.org/hook", "event_webhook_secret": SECRET}, "must start with https://"),
        ({"event_webhook_url": "https:///hook", "event_webhook_secret": SECRET}, "must start with https://"),
        ({"event_webhook_url": "https://u:p@example.org/", "event_webhook_secret": SECRET}, "takes no user"),
        ({"event_webhook_url": "https://example.org/hook"}, "needs 32 characters or more"),
        ({"event_webhook_url": "https://example.org/", "event_webhook_secret": SECRET[:31]}, "needs 32 characters"),
        ({"event_syslog_url": "tls://example.org"}, "is not like udp://host:514"),
        ({"event_syslog_url": "unix:"}, "is not like udp://host:514"),
        ({"event_syslog_url": "udp://host:port"}, "the port is a number"),
    ],
)
def test_a_receiver_that_can_t_be_or_is_not_safe_is_refused(given: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=said) as refused:
        settings(**given)
    assert SECRET[:31] not in str(refused.value)


def test_the_webhook_s_secret_may_be_in_a_file_and_is_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(SECRET + "\n")
    given = settings(event_webhook_url="https://example.org/hook?key=x", event_webhook_secret_file=str(file))
    assert given.event_webhook_secret == SECRET
    assert SECRET not in str(shown(given))
    assert "key=x" not in str(shown(given))
