"""The development inbox is for this machine alone, and only where there is no mail server."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path

import httpx
import pytest

from doorward.app import build
from doorward.mail.delivery import Inbox
from doorward.settings import load
from tests.support.clock import FakeClock
from tests.support.servers import Server, environment
from tests.support.service import CHEAP
from tests.support.smtp import SmtpCatcher

PAGES = ("/dev/inbox", "/dev/inbox.json", "/dev/inbox/1", "/dev/inbox/1/html")
SECRET_KEY = "a-secret-key-for-tests-of-32-signs-or-more"

Ask = Callable[..., int]


@pytest.fixture
def url(sqlite_template: Path, tmp_path: Path) -> str:
    copy = tmp_path / "doorward.db"
    copy.write_bytes(sqlite_template.read_bytes())
    return f"sqlite:///{copy}"


@contextmanager
def asked(url: str, folder: Path, *, with_inbox: bool = True, **settings: str) -> Iterator[Ask]:
    """Gives the status of a page for a client of this address that uses this name of the service."""
    given = {f"DOORWARD_{name.upper()}": value for name, value in settings.items()}
    ours = {"DOORWARD_DATABASE_URL": url, "DOORWARD_DATA_DIR": str(folder), "DOORWARD_SECRET_KEY": SECRET_KEY}
    doorward = build(load(CHEAP | ours | given), FakeClock(), with_inbox=with_inbox)

    def ask(path: str = PAGES[0], client: str = "127.0.0.1", host: str = "localhost:8000", **headers: str) -> int:
        transport = httpx.WSGITransport(app=doorward.app, remote_addr=client)
        with httpx.Client(transport=transport, base_url="http://localhost:8000") as http:
            return http.get(path, headers=headers | {"Host": host}).status_code

    try:
        yield ask
    finally:
        doorward.close()


def a_mail() -> EmailMessage:
    mail = EmailMessage()
    mail["Subject"] = "Your code"
    mail.set_content("123456")
    mail.add_alternative("<p>123456</p>", subtype="html")
    return mail


@pytest.mark.parametrize("path", PAGES)
def test_it_answers_only_this_machine_under_a_loopback_name(path: str, url: str, tmp_path: Path) -> None:
    Inbox(tmp_path / "inbox").send(a_mail())
    with asked(url, tmp_path) as ask:
        for host in ("localhost:8000", "127.0.0.1", "[::1]:8000"):
            assert ask(path, host=host) == 200
        assert ask(path, client="::1") == 200
        for host in ("attacker.example", "192.168.1.2", "localhost.attacker.example", ""):
            assert ask(path, host=host) == 404
        for client in ("192.0.2.1", "192.168.1.2", "10.0.0.1"):
            assert ask(path, client=client) == 404


def test_behind_a_proxy_on_this_machine_the_client_is_who_it_names(url: str, tmp_path: Path) -> None:
    with asked(url, tmp_path, trusted_proxies="127.0.0.1") as ask:
        assert ask(**{"X-Forwarded-For": "192.0.2.1"}) == 404


def test_it_is_not_there_with_a_mail_server_or_unasked(url: str, tmp_path: Path) -> None:
    with asked(url, tmp_path, smtp_url="smtp://localhost:2525") as ask:
        assert ask() == 404
    with asked(url, tmp_path, with_inbox=False) as ask:
        assert ask() == 404


@pytest.mark.parametrize(
    ("host", "public_url", "status"),
    [
        ("127.0.0.1", "http://localhost:8000", 200),
        # A proxy on the machine can make every stranger look like the machine itself.
        ("127.0.0.1", "https://auth.example.org", 404),
        ("0.0.0.0", "http://localhost:8000", 404),  # noqa: S104 -- what is tested
    ],
)
def test_a_server_that_others_reach_has_none(
    host: str, public_url: str, status: int, url: str, tmp_path: Path, smtp: SmtpCatcher
) -> None:
    settings = environment(url, tmp_path, smtp, smtp_url="", public_url=public_url)
    server = Server(settings, tmp_path / "log", host).start()
    try:
        assert httpx.get(f"{server.url}/dev/inbox").status_code == status
    finally:
        server.stop()


def test_its_files_are_the_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "inbox"
    Inbox(folder).send(a_mail())
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [path.stat().st_mode & 0o777 for path in folder.iterdir()] == [0o600]
