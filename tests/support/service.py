"""The whole service in this process: called through its WSGI app, mailing through a real SMTP server."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pyotp

from doorward.accounts import flows as accounts
from doorward.app import Doorward, build
from doorward.settings import load
from tests.support.clock import FakeClock
from tests.support.contract import hold
from tests.support.smtp import SmtpCatcher

PASSWORD = "Correct-Horse-1"
EMAIL = "ann@example.org"
PUBLIC_URL = "https://auth.example.org"
CHEAP = {"DOORWARD_ARGON2_MEMORY_KIB": "8", "DOORWARD_ARGON2_TIME_COST": "1", "DOORWARD_HASH_THREADS": "2"}
CODE = re.compile(r"^\s*(\d{6})\s*$", re.MULTILINE)


@dataclass
class Service:
    """A running Doorward. `client` calls it from 192.0.2.1; `from_address` gives one from elsewhere.

    `check` sees every answer: without another, the one that holds it against the contract.
    """

    doorward: Doorward
    clock: FakeClock
    smtp: SmtpCatcher
    check: Callable[[httpx.Response], None] = hold

    @property
    def client(self) -> httpx.Client:
        return self.from_address("192.0.2.1")

    def from_address(self, address: str) -> httpx.Client:
        transport = httpx.WSGITransport(app=self.doorward.app, remote_addr=address)
        return httpx.Client(transport=transport, base_url=PUBLIC_URL, event_hooks={"response": [self.check]})

    def call(self, verb: str, path: str, token: str | None = None, **options: Any) -> httpx.Response:
        """One request; `token` goes into the Authorization header."""
        headers = dict(options.pop("headers", {}))
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        return self.client.request(verb, path, headers=headers, **options)

    def add_user(self, email: str = EMAIL, password: str | None = PASSWORD, username: str | None = None) -> int:
        return accounts.create(self.doorward.env, email, username=username, password=password)

    def login(self, name: str = EMAIL, password: str = PASSWORD) -> str:
        """The refresh token, or for a user with a second factor the partial one."""
        answer = self.call("POST", "/auth/login", json={"username": name, "password": password})
        assert answer.status_code == 200, answer.text
        return answer.text

    def access(self, refresh: str) -> str:
        answer = self.call("GET", "/auth/accesstoken", refresh)
        assert answer.status_code == 200, answer.text
        return answer.text

    def enable_totp(self, access: str) -> tuple[pyotp.TOTP, list[str]]:
        """Set TOTP up with a real authenticator library: the authenticator, and the recovery codes."""
        url = self.call("POST", "/user/2fa/totp/setup", access).json()["url"]
        authenticator = pyotp.parse_uri(url)
        assert isinstance(authenticator, pyotp.TOTP)
        answer = self.call("POST", "/user/2fa/totp/enable", access, json={"totp": self.totp_code(authenticator)})
        assert answer.status_code == 200, answer.text
        return authenticator, answer.json()["recoveryCodes"]

    def totp_code(self, authenticator: pyotp.TOTP) -> str:
        return authenticator.at(self.clock.now_ms() // 1000)

    def next_totp_code(self, authenticator: pyotp.TOTP) -> str:
        """A code that was not used before: that of the next time step."""
        self.clock.advance(30)
        return self.totp_code(authenticator)

    def deliver(self) -> None:
        """Let the mail worker send all that is due."""
        while self.doorward.worker.run_once():
            pass

    def mailed_code(self, to: str) -> str:
        """The code in the newest mail to this address."""
        self.deliver()
        for mail in reversed(self.smtp.mails):
            if to in mail.recipients:
                body = mail.message.get_body(("plain",))
                assert body is not None
                found = CODE.search(body.get_content())
                assert found is not None, body.get_content()
                return found[1]
        raise AssertionError(f"no mail to {to}")


@contextmanager
def running(url: str, folder: Path, clock: FakeClock, smtp: SmtpCatcher, **settings: str) -> Iterator[Service]:
    """The service on a migrated database; further settings by their names, such as `refresh_rotation="strict"`."""
    given = {f"DOORWARD_{name.upper()}": value for name, value in settings.items()}
    environ = CHEAP | {
        "DOORWARD_DATABASE_URL": url,
        "DOORWARD_DATA_DIR": str(folder),
        "DOORWARD_SMTP_URL": smtp.url,
        "DOORWARD_PUBLIC_URL": PUBLIC_URL,
        "DOORWARD_SECRET_KEY": "a-secret-key-for-tests-of-32-signs-or-more",
    }
    doorward = build(load(environ | given), clock)
    try:
        yield Service(doorward, clock, smtp)
    finally:
        doorward.close()
