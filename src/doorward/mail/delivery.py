"""Where mails go: to the operator's mail server, or, without one, to a folder that the development inbox shows."""

import contextlib
import functools
import os
import smtplib
import ssl
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from doorward.core.vault import make_private_folder

SMTP_PORT, SMTPS_PORT = 25, 465
PERMANENT = range(500, 600)
KEPT = 500


class Undeliverable(Exception):
    """The mail server will never take this mail. The message holds its reply code only."""


class Delivery(Protocol):
    """Takes a mail over: after `send` returns, it is somebody else's to bring on its way."""

    def send(self, message: EmailMessage) -> None: ...


class Smtp:
    """One conversation a mail (RFC 5321), over TLS from the start (`smtps`) or as soon as the server offers it.

    `timeout` in seconds bounds each step of it.
    """

    def __init__(self, url: str, timeout: int) -> None:
        self._url = urlsplit(url)
        self._timeout = timeout

    def send(self, message: EmailMessage) -> None:
        """Raises Undeliverable, OSError, smtplib.SMTPException."""
        with self._conversation() as server:
            try:
                server.send_message(message)
            except smtplib.SMTPRecipientsRefused as error:
                code = max(code for code, _ in error.recipients.values())
                _raise_if_permanent(code, error)
            except smtplib.SMTPResponseException as error:
                _raise_if_permanent(error.smtp_code, error)
            except smtplib.SMTPNotSupportedError as error:
                raise Undeliverable("the mail server has no SMTPUTF8") from error

    def check(self) -> None:
        """Talk to the server up to the login, as `send` does. Raises OSError, smtplib.SMTPException."""
        with self._conversation() as server:
            server.noop()

    @contextlib.contextmanager
    def _conversation(self) -> Iterator[smtplib.SMTP]:
        server = self._connect()
        try:
            self._introduce(server)
            yield server
        finally:
            # However the farewell goes, what was taken over before it is not to be sent again.
            with contextlib.suppress(smtplib.SMTPException):
                server.quit()
            server.close()

    @functools.cached_property
    def _tls(self) -> ssl.SSLContext:
        # Made once, and only where it is needed: reading the system's certificates takes as long as sending a mail.
        return ssl.create_default_context()

    def _connect(self) -> smtplib.SMTP:
        host = self._url.hostname or "localhost"
        if self._url.scheme == "smtps":
            return smtplib.SMTP_SSL(host, self._url.port or SMTPS_PORT, timeout=self._timeout, context=self._tls)
        return smtplib.SMTP(host, self._url.port or SMTP_PORT, timeout=self._timeout)

    def _introduce(self, server: smtplib.SMTP) -> None:
        if self._url.scheme != "smtps":
            server.ehlo()
            if server.has_extn("starttls"):
                server.starttls(context=self._tls)
        if self._url.username:
            server.login(unquote(self._url.username), unquote(self._url.password or ""))


class Inbox:
    """A folder of mails, one file each, readable by its owner alone; the newest 500 are kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def send(self, message: EmailMessage) -> None:
        make_private_folder(self._folder)
        number = max(self._numbers(), default=0) + 1
        while not self._write(number, message.as_bytes(policy=policy.SMTPUTF8)):
            number += 1
        for old in sorted(self._numbers())[:-KEPT]:
            self._path(old).unlink(missing_ok=True)

    def all(self) -> list[tuple[int, EmailMessage]]:
        """Every mail with its number, newest first."""
        found = ((number, self.find(number)) for number in sorted(self._numbers(), reverse=True))
        return [(number, message) for number, message in found if message is not None]

    def find(self, number: int) -> EmailMessage | None:
        with contextlib.suppress(FileNotFoundError):
            return message_from_bytes(self._path(number).read_bytes(), policy=policy.default)
        return None

    def _numbers(self) -> list[int]:
        return [int(path.stem) for path in self._folder.glob("*.eml") if path.stem.isdigit()]

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:06}.eml"

    def _write(self, number: int, content: bytes) -> bool:
        draft = self._folder / f".{number}-{os.getpid()}"
        draft.touch(mode=0o600)
        draft.write_bytes(content)
        try:
            os.link(draft, self._path(number))
        except FileExistsError:
            return False
        finally:
            draft.unlink()
        return True


def _raise_if_permanent(code: int, error: Exception) -> None:
    if code in PERMANENT:
        raise Undeliverable(f"the mail server answered {code}") from error
    raise error
