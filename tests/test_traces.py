"""Traces by OpenTelemetry: spans as a real collector gets them, nothing secret in them, no cost where they are off."""

import io
import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from doorward.app import build
from doorward.core.logs import json_line, logger
from doorward.http.observe import Observed
from doorward.settings import SettingsError, load
from tests.support.databases import copied_sqlite
from tests.support.person import Person, good
from tests.support.servers import HOST, free_port
from tests.support.service import CHEAP, EMAIL, PASSWORD, Service
from tests.support.wsgi import raw_call

TRACE_ID, PARENT_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE_ID}-{PARENT_ID}-01"
SERVER, CLIENT, INTERNAL = 2, 3, 1
ERROR = 2


@dataclass
class Collector:
    """Takes spans by OTLP over HTTP, as a collector does."""

    url: str
    bodies: list[bytes] = field(default_factory=list)

    @property
    def spans(self) -> list[Any]:
        requests = [ExportTraceServiceRequest.FromString(body) for body in self.bodies]
        return [
            span
            for request in requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    @property
    def servers(self) -> list[Any]:
        """The spans of requests."""
        return [span for span in self.spans if span.kind == SERVER]


@contextmanager
def collector(
    port: int = 0, status: int = 200, answer_when: Callable[[], object] = lambda: None
) -> Iterator[Collector]:
    """One that answers so, once that returns."""
    bodies: list[bytes] = []

    class Taker(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            answer_when()
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Tests are quiet."""

    with ThreadingHTTPServer((HOST, port), Taker) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield Collector(f"http://{HOST}:{server.server_port}/v1/traces", bodies)
        server.shutdown()
        thread.join()


@pytest.fixture
def database_url(sqlite_template: Path) -> Iterator[str]:
    """SQLite alone: a span knows no more of the database than its name."""
    with copied_sqlite(sqlite_template) as url:
        yield url


@pytest.fixture
def receiver() -> Iterator[Collector]:
    with collector() as taking:
        yield taking


@pytest.fixture
def traced(start: Callable[..., Service], receiver: Collector) -> Service:
    return start(traces_url=receiver.url)


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> io.BytesIO:
    """What is logged."""
    written = io.BytesIO()
    monkeypatch.setattr(logger, "_stream", written)
    monkeypatch.setattr(logger, "_format", json_line)
    return written


def flush(service: Service) -> None:
    assert service.doorward.tracing is not None
    service.doorward.tracing.flush()


def attributes(span: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes}


def test_a_request_is_a_span_named_by_its_route_with_hash_and_transactions_within(
    traced: Service, receiver: Collector, lines: io.BytesIO
) -> None:
    traced.add_user()
    traced.login()
    flush(traced)
    (login,) = receiver.servers
    assert login.name == "POST /auth/login"
    assert attributes(login) == {
        "http.request.method": "POST",
        "http.route": "/auth/login",
        "http.response.status_code": 200,
        "url.scheme": "https",
    }
    assert not login.parent_span_id
    inner = [span for span in receiver.spans if span.parent_span_id == login.span_id]
    assert [(span.name, span.kind) for span in inner] == [("hash", INTERNAL), ("write", CLIENT)]
    assert {span.trace_id for span in inner} == {login.trace_id}
    assert attributes(inner[1]) == {"db.system.name": "sqlite"}
    # What is done beside requests, such as the making of that user, is no trace of its own.
    assert len(receiver.spans) == 3
    (line,) = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert line["trace_id"] == login.trace_id.hex()


def test_the_service_and_its_version_are_told(
    start: Callable[..., Service], receiver: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
    traced = start(traces_url=receiver.url)
    traced.call("GET", "/health/live")
    flush(traced)
    resource = ExportTraceServiceRequest.FromString(receiver.bodies[0]).resource_spans[0].resource
    told = attributes(resource)
    assert (told["service.name"], told["deployment.environment.name"]) == ("doorward", "test")
    assert "service.version" in told


CONTEXTS: list[tuple[dict[str, Any], bool]] = [
    ({"HTTP_TRACEPARENT": TRACEPARENT}, True),
    ({"HTTP_TRACEPARENT": TRACEPARENT, "HTTP_TRACESTATE": "vendor=1"}, True),
    ({"HTTP_TRACEPARENT": f"cc-{TRACE_ID}-{PARENT_ID}-01-more"}, True),  # a later version is read as far as known
    ({"HTTP_TRACEPARENT": f"ff-{TRACE_ID}-{PARENT_ID}-01"}, False),
    ({"HTTP_TRACEPARENT": f"00-{TRACE_ID}-{PARENT_ID}-01-more"}, False),
    ({"HTTP_TRACEPARENT": f"00-{'0' * 32}-{PARENT_ID}-01"}, False),
    ({"HTTP_TRACEPARENT": f"00-{TRACE_ID}-{'0' * 16}-01"}, False),
    ({"HTTP_TRACEPARENT": TRACEPARENT.upper()}, False),
    ({"HTTP_TRACEPARENT": f"{TRACEPARENT},{TRACEPARENT}"}, False),
    ({"HTTP_TRACEPARENT": "x" * 4000}, False),
    ({"HTTP_TRACEPARENT": "\xe9\n"}, False),
    ({"HTTP_TRACEPARENT": ""}, False),
    ({"HTTP_TRACESTATE": "vendor=1"}, False),
]
"""What a client says of its trace, and whether it is continued."""


def test_a_trace_is_continued_by_a_good_traceparent_alone(traced: Service, receiver: Collector) -> None:
    for headers, _ in CONTEXTS:
        raw_call(traced, "GET", "/health/live", **headers)
    flush(traced)
    found = [(span.trace_id.hex() == TRACE_ID, span.parent_span_id.hex() == PARENT_ID) for span in receiver.servers]
    assert found == [(continues, continues) for _, continues in CONTEXTS]


def test_what_is_not_sampled_is_not_sent(traced: Service, receiver: Collector) -> None:
    raw_call(traced, "GET", "/health/live", HTTP_TRACEPARENT=f"00-{TRACE_ID}-{PARENT_ID}-00")
    flush(traced)
    assert receiver.spans == []


def test_no_span_holds_a_secret_an_address_or_what_was_sent(traced: Service, receiver: Collector) -> None:
    person = Person.at(traced)
    codes = person.enable_totp()
    partial = person.partial
    tokens = good(person.guess_recovery_code(partial, codes[0]))
    person.guess_recovery_code(person.partial, "ZZZZZZZZZZZZZZZZ")
    traced.call("POST", "/auth/login?secret=in-the-query", json={"username": EMAIL, "password": "Wrong-Horse-9"})
    traced.call("GET", "/secret-in-the-path")
    raw_call(traced, "SECRETVERB", "/auth/login")
    traced.call("POST", "/user/password/reset/send", json={"email": EMAIL}, headers={"User-Agent": "secret-agent"})
    flush(traced)
    sent = b"".join(receiver.bodies).decode("latin-1")
    secrets = [PASSWORD, "Wrong-Horse-9", EMAIL, "192.0.2.1", "secret", "SECRETVERB", "in-the-query", *codes]
    for secret in [*secrets, partial, *tokens.values(), person.refresh, "127.0.0.1"]:
        assert secret not in sent
    by_name = {span.name: span for span in receiver.servers}
    unknown = {"http.request.method", "http.response.status_code", "url.scheme", "doorward.refusal"}
    assert set(attributes(by_name["GET"])) == unknown
    assert attributes(by_name["HTTP"])["http.request.method"] == "_OTHER"
    assert attributes(by_name["POST /auth/login"])["doorward.refusal"] == "PASSWORD_INCORRECT"
    # A refusal is no fault of the service.
    assert {span.status.code for span in receiver.servers} == {0}


def test_a_fault_shows_where_it_was_without_its_words(traced: Service, receiver: Collector) -> None:
    traced.add_user()
    with traced.doorward.env.db.write() as tx:
        tx.connection.exec_driver_sql("ALTER TABLE events RENAME TO elsewhere")
    answer = traced.call("POST", "/auth/login", json={"username": EMAIL, "password": PASSWORD})
    assert answer.status_code in {500, 503}
    flush(traced)
    (login,) = receiver.servers
    write = next(span for span in receiver.spans if span.name == "write")
    assert (login.status.code, attributes(login)["error.type"]) == (ERROR, str(answer.status_code))
    assert (write.status.code, write.status.message, list(write.events)) == (ERROR, "", [])
    assert attributes(write)["error.type"] in {"OperationalError", "ProgrammingError", "DatabaseUnavailable"}
    assert not login.events


def test_without_a_collector_requests_are_answered_and_one_line_tells(
    start: Callable[..., Service], lines: io.BytesIO, capfd: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    traced = start(traces_url=f"http://{HOST}:{port}/v1/traces")

    def told() -> list[str]:
        events = [json.loads(line)["event"] for line in lines.getvalue().splitlines()]
        return [event for event in events if event.startswith("traces:")]

    for _ in range(2):
        assert traced.call("GET", "/health/live").status_code == 200
        flush(traced)
    assert told() == ["traces: the collector does not take them, they are dropped"]
    with collector(port) as receiver:
        traced.call("GET", "/health/live")
        flush(traced)
        # What could not be sent is not kept.
        assert len(receiver.spans) == 1
    assert told()[1:] == ["traces: the collector takes them again"]
    assert capfd.readouterr().err == ""


def test_spans_that_wait_are_bounded(start: Callable[..., Service], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "8")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "8")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "3600000")
    # Nobody gives up while the collector holds its answer back.
    monkeypatch.setattr("doorward.traces.EXPORT_S", 60)
    asked, release = threading.Event(), threading.Event()

    def hold() -> None:
        asked.set()
        release.wait(30)

    with collector(answer_when=hold) as holding:
        traced = start(traces_url=holding.url)
        for _ in range(8):
            assert traced.call("GET", "/health/live").status_code == 200
        assert asked.wait(30)
        for _ in range(20):
            assert traced.call("GET", "/no-such-path").status_code == 404
        release.set()
        flush(traced)
        # The batch that was under way, and as many as wait.
        assert Counter(span.name for span in holding.spans) == {"GET /health/live": 8, "GET": 8}


def test_a_stop_does_not_ask_a_collector_again_that_refused(start: Callable[..., Service]) -> None:
    with collector(status=400) as refusing:
        traced = start(traces_url=refusing.url)
        traced.call("GET", "/health/live")
        flush(traced)
        traced.call("GET", "/health/live")
        assert traced.doorward.tracing is not None
        traced.doorward.tracing.close()
        assert len(refusing.bodies) == 1


def test_off_nothing_is_loaded_and_nothing_stands_around(service: Service) -> None:
    assert type(service.doorward.app) is Observed
    assert service.doorward.tracing is None
    code = "import sys, doorward.app; sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_the_packages_the_start_says_what_to_install(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    monkeypatch.delitem(sys.modules, "doorward.traces", raising=False)
    settings = load(
        CHEAP
        | {
            "DOORWARD_DATABASE_URL": database_url,
            "DOORWARD_DATA_DIR": str(tmp_path),
            "DOORWARD_TRACES_URL": "http://127.0.0.1:4318/v1/traces",
        }
    )
    with pytest.raises(SettingsError, match=r"doorward\[otel\]"), closing(build(settings)):
        pass
