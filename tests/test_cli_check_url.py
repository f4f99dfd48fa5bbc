"""`doorward check --url`: what a proxy makes of requests, seen by real ones; and nothing of it for strangers."""

import http.server
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from doorward.cli import checks_url
from doorward.core.clock import MINUTE
from doorward.core.vault import Vault
from doorward.http import seen
from doorward.http.seen import Sight
from tests.support.cli import Cli
from tests.support.databases import copied_sqlite
from tests.support.servers import HOST, Server, environment
from tests.support.service import Service
from tests.support.smtp import SmtpCatcher
from tests.support.wsgi import raw_call

URL = "https://auth.example.org"
THROUGH = Sight(
    public_url=URL,
    host="auth.example.org",
    peer="127.0.0.1",
    peer_is_trusted=True,
    client="203.0.113.9",
    client_is_trusted=False,
    headers={"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"},
)


# --- what the server tells, and to whom ------------------------------------------------------------------------------


def test_one_who_has_the_secret_key_is_told_how_the_request_arrived(start: Callable[..., Service]) -> None:
    service = start(trusted_proxies="192.0.2.0/24")
    env = service.doorward.env
    headers = {
        "Authorization": seen.proof(env.vault, env.clock.now_ms()),
        "X-Forwarded-For": "203.0.113.9",
        "X-Forwarded-Proto": "https",
        "Cookie": "secret=1",
    }
    assert service.client.get(seen.PATH, headers=headers).json() == {
        "publicUrl": URL,
        "host": "auth.example.org",
        "peer": "192.0.2.1",
        "peerIsTrusted": True,
        "client": "203.0.113.9",
        "clientIsTrusted": False,
        "headers": {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"},
    }


def test_strangers_get_the_answer_of_a_path_that_is_not_there(service: Service) -> None:
    env = service.doorward.env
    now = env.clock.now_ms()
    good = seen.proof(env.vault, now)
    stranger = Vault("another-secret-key-for-tests-of-32-signs")
    nothing = service.client.get("/health/nothing")
    for wrong in (
        "",
        "Check",
        "Check .",
        good.replace("Check", "Bearer"),
        good[:-1],
        good.replace("Check 1", "Check 2"),
        f"Check {'9' * 5000}.x",
        "Check \u0661.x".encode().decode("latin-1"),
        seen.proof(stranger, now),
        seen.proof(env.vault, now - 6 * MINUTE),
        seen.proof(env.vault, now + 6 * MINUTE),
    ):
        answer = raw_call(service, "GET", seen.PATH, HTTP_AUTHORIZATION=wrong)
        assert (answer.status_code, answer.content) == (404, nothing.content), wrong


# --- what the command says of it -------------------------------------------------------------------------------------


def sight(**other: Any) -> Sight:
    """A request that came through as it should, but for this."""
    return msgspec.structs.replace(THROUGH, **other)


@pytest.mark.parametrize(
    ("seen_so", "state", "mend"),
    [
        (sight(), "ok", ""),
        (sight(headers={"Forwarded": "for=203.0.113.9"}), "ok", ""),
        (sight(headers={}, client="127.0.0.1"), "failed", "let it send X-Forwarded-For"),
        (sight(peer_is_trusted=False, client="127.0.0.1"), "failed", "add 127.0.0.1 to DOORWARD_TRUSTED_PROXIES"),
        (sight(client="127.0.0.1"), "failed", "let it send one header, with addresses in it"),
    ],
)
def test_whom_a_wrong_password_counts_against_is_judged(seen_so: Sight, state: str, mend: str) -> None:
    point = checks_url.client(URL, seen_so)
    assert (point.state, point.mend) == (state, mend)
    assert "127.0.0.1" in point.found


def test_another_public_url_host_or_scheme_is_named_with_both() -> None:
    point = checks_url.public_url("https://www.example.org", sight())
    assert (point.state, URL in point.found, "https://www.example.org" in point.mend) == ("failed", True, True)
    point = checks_url.host(URL, sight(host="127.0.0.1:8000"))
    assert (point.state, "auth.example.org" in point.found, "127.0.0.1:8000" in point.found) == ("warning", True, True)
    point = checks_url.host(URL, sight(headers={"X-Forwarded-Proto": "http"}))
    assert (point.state, point.mend) == ("warning", "send X-Forwarded-Proto https")
    assert checks_url.host(URL, sight()).state == "ok"


@pytest.mark.parametrize(
    ("believed", "is_proxy", "state"),
    [
        ([], False, "ok"),
        (["X-Forwarded-For"], False, "failed"),
        (["Forwarded"], False, "failed"),
        (["X_Forwarded_For"], False, "failed"),
        (["X-Forwarded-For"], True, "warning"),
        (["X-Forwarded-For", "X_Forwarded_For"], True, "failed"),
    ],
)
def test_a_client_that_can_choose_its_address_is_named(believed: list[str], is_proxy: bool, state: str) -> None:  # noqa: FBT001
    assert checks_url.forged(URL, sight(client_is_trusted=is_proxy), believed).state == state


def test_a_proxy_that_tells_no_address_and_passes_the_clients_own_word_on() -> None:
    silent = sight(headers={}, client="127.0.0.1", client_is_trusted=True)
    assert checks_url.forged(URL, silent, ["X-Forwarded-For"]).state == "failed"
    assert checks_url.forged("http://localhost:8000", silent, ["X-Forwarded-For", "X_Forwarded_For"]).state == "warning"


# --- both, over a real server and a real proxy -----------------------------------------------------------------------


@contextmanager
def proxy(rewrite: Callable[[dict[str, str]], None]) -> Iterator[tuple[str, list[str]]]:
    """A proxy that changes the headers so; its URL, and where it is to send requests."""
    target: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            headers = dict(self.headers)
            rewrite(headers)
            answer = httpx.get(f"{target[0]}{self.path}", headers=headers)
            self.send_response(answer.status_code)
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer((HOST, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://{HOST}:{server.server_port}", target
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def checked(
    folder: Path, template: Path, smtp: SmtpCatcher, rewrite: Callable[[dict[str, str]], None], **settings: str
) -> Iterator[tuple[str, dict[str, str]]]:
    """A running server behind such a proxy: its URL, and its settings as the command line takes them."""
    with copied_sqlite(template) as database, proxy(rewrite) as (url, target):
        given = settings | {"public_url": url}
        server = Server(environment(database, folder / "data", smtp, **given), folder / "log").start()
        target.append(server.url)
        try:
            yield url, given | {"database_url": database, "smtp_url": smtp.url}
        finally:
            server.stop()


def points(cli: Cli, url: str, **settings: str) -> dict[str, dict[str, Any]]:
    return {point["name"]: point for point in cli.run("check", "--json", "--url", url, **settings).rows}


@pytest.fixture
def cli(
    sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Cli:
    return Cli(f"sqlite:///{sqlite_template}", tmp_path, monkeypatch, capfd)


def as_it_should(headers: dict[str, str]) -> None:
    for name in list(headers):
        if "_" in name or name.lower() == "forwarded":
            del headers[name]
    headers["X-Forwarded-For"] = "203.0.113.9"


def lets_doubles_through(headers: dict[str, str]) -> None:
    forged = headers.pop("X_Forwarded_For", "")
    headers["X-Forwarded-For"] = f"203.0.113.9, {forged}" if forged else "203.0.113.9"


def test_a_sound_proxy_and_one_that_is_not_trusted(
    cli: Cli, sqlite_template: Path, tmp_path: Path, smtp: SmtpCatcher
) -> None:
    with checked(tmp_path, sqlite_template, smtp, as_it_should, trusted_proxies=HOST) as (url, settings):
        found = points(cli, url + "/", **settings)
        names = ("asked URL", "host", "client address", "forged address")
        assert [found[name]["state"] for name in names] == ["ok"] * 4, found
        other = points(cli, url, **(settings | {"secret_key": "another-secret-key-for-tests-of-32-signs"}))
        assert (other["request"]["state"], "answers 404" in other["request"]["found"]) == ("failed", True)
    with checked(tmp_path, sqlite_template, smtp, as_it_should) as (url, settings):
        assert "DOORWARD_TRUSTED_PROXIES" in points(cli, url, **settings)["client address"]["mend"]


def test_a_proxy_that_lets_forged_headers_through(
    cli: Cli, sqlite_template: Path, tmp_path: Path, smtp: SmtpCatcher
) -> None:
    with checked(tmp_path, sqlite_template, smtp, lets_doubles_through, trusted_proxies=HOST) as (url, settings):
        point = points(cli, url, **settings)["forged address"]
        assert (point["state"], "X_Forwarded_For" in point["found"]) == ("failed", True)


def test_a_server_that_is_away_and_an_address_that_is_none_are_told(cli: Cli) -> None:
    point = points(cli, "http://127.0.0.1:1")["request"]
    assert (point["state"], "refused" in point["found"]) == ("failed", True)
    for wrong in ("auth.example.org", "https://", "ftp://a", "http://a:x"):
        assert "is not like https://auth.example.org" in cli.fails("check", "--url", wrong, code=2)
    lost = points(cli, "http://127.0.0.1:1", secret_key="")["request"]
    assert "secret key can't be read" in lost["found"]
