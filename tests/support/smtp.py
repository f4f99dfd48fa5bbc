"""A mail server that keeps what it is sent, and can misbehave on demand."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Literal, Self, cast

from aiosmtpd.smtp import SMTP, Envelope, Session

HOST = "127.0.0.1"
Stage = Literal["MAIL", "RCPT", "DATA", "QUIT"]


@dataclass(frozen=True)
class CaughtMail:
    """A mail, and what the envelope said of it."""

    message: EmailMessage
    sender: str
    recipients: tuple[str, ...]


@dataclass(frozen=True)
class _Behaviour:
    """What happens when a client gets to `stage`: a reply that refuses, silence, or a broken connection."""

    stage: Stage
    reply: str | None = None
    drops: bool = False


class SmtpCatcher:
    """A real SMTP server on a loopback port of its own, in a thread of its own.

    The port stays the same when the server is stopped and started again.
    """

    def __init__(self) -> None:
        self.port = 0
        self._arrival = threading.Condition()
        self._mails: list[CaughtMail] = []
        self._behaviour: _Behaviour | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._server: asyncio.Server | None = None
        self._sessions: set[_Smtp] = set()

    @property
    def url(self) -> str:
        return f"smtp://{HOST}:{self.port}"

    @property
    def mails(self) -> list[CaughtMail]:
        """All mails so far, in the order of their arrival."""
        with self._arrival:
            return list(self._mails)

    @property
    def messages(self) -> list[EmailMessage]:
        return [mail.message for mail in self.mails]

    def wait_for(self, count: int, timeout: float = 10) -> list[EmailMessage]:
        """All messages, as soon as there are `count` of them. Raises TimeoutError."""
        with self._arrival:
            if not self._arrival.wait_for(lambda: len(self._mails) >= count, timeout):
                subjects = [str(mail.message["Subject"]) for mail in self._mails]
                message = f"waited {timeout} s for {count} mails, got {len(subjects)}: {subjects}"
                raise TimeoutError(message)
            return [mail.message for mail in self._mails]

    def wait_for_hanging(self, timeout: float = 10) -> None:
        """Come back when a client is left hanging. Raises TimeoutError."""
        with self._arrival:
            if not self._arrival.wait_for(lambda: any(session.hangs for session in self._sessions), timeout):
                message = f"no client was left hanging in {timeout} s"
                raise TimeoutError(message)

    def clear(self) -> None:
        with self._arrival:
            self._mails.clear()

    def accept(self) -> None:
        """Take mails again, as at the start; clients left hanging are disconnected."""
        self._behave(None)
        if self._loop is not None:
            asyncio.run_coroutine_threadsafe(self._abort_hanging(), self._loop).result(10)

    def refuse(self, reply: str = "550 5.7.1 Refused", at: Stage = "DATA") -> None:
        """Answer `reply` at a stage: 4xx for not now, 5xx for never."""
        self._behave(_Behaviour(at, reply=reply))

    def hang(self, at: Stage = "DATA") -> None:
        """Say nothing more at a stage, and keep the connection."""
        self._behave(_Behaviour(at))

    def drop(self, at: Stage = "DATA") -> None:
        """Break the connection at a stage, without a reply."""
        self._behave(_Behaviour(at, drops=True))

    def start(self) -> Self:
        """Listen, on the same port as before where there was one."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name="smtp-catcher", daemon=True)
        thread.start()
        self._loop, self._thread = loop, thread
        self._server = asyncio.run_coroutine_threadsafe(self._listen(loop), loop).result(10)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def stop(self) -> None:
        """Refuse connections and break the ones there are; mails caught so far stay."""
        loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._close(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
        self._loop = self._thread = self._server = None

    def _behave(self, behaviour: _Behaviour | None) -> None:
        with self._arrival:
            self._behaviour = behaviour

    async def _listen(self, loop: asyncio.AbstractEventLoop) -> asyncio.Server:
        return await loop.create_server(lambda: _Smtp(self, loop), HOST, self.port)

    async def _close(self) -> None:
        server = cast("asyncio.Server", self._server)
        # A connection that is just being accepted must get its transport while the server is still there.
        for listening in server.sockets:
            asyncio.get_running_loop().remove_reader(listening)
        await asyncio.sleep(0)
        server.close()
        # Some connections may just be coming or going: until they have gone, let them.
        while self._sessions or len(asyncio.all_tasks()) > 1:
            for session in set(self._sessions):
                session.abort()
            await asyncio.sleep(0)

    async def _abort_hanging(self) -> None:
        for session in set(self._sessions):
            if session.hangs:
                session.abort()

    def _at(self, stage: Stage) -> _Behaviour | None:
        with self._arrival:
            behaviour = self._behaviour
        return behaviour if behaviour is not None and behaviour.stage == stage else None

    def _leave_hanging(self, session: "_Smtp") -> None:
        with self._arrival:
            session.hangs = True
            self._arrival.notify_all()

    def _opened(self, session: "_Smtp") -> None:
        with self._arrival:
            self._sessions.add(session)

    def _closed(self, session: "_Smtp") -> None:
        with self._arrival:
            self._sessions.discard(session)

    def _catch(self, mail: CaughtMail) -> None:
        with self._arrival:
            self._mails.append(mail)
            self._arrival.notify_all()


@contextmanager
def smtp_catcher() -> Iterator[SmtpCatcher]:
    catcher = SmtpCatcher().start()
    try:
        yield catcher
    finally:
        catcher.stop()


class _Smtp(SMTP):
    """One client's conversation."""

    def __init__(self, catcher: SmtpCatcher, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(_Handler(catcher), enable_SMTPUTF8=True, hostname="catcher.test", loop=loop)
        self._catcher = catcher
        self.hangs = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._catcher._opened(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._catcher._closed(self)
        super().connection_lost(error)

    def abort(self) -> None:
        transport = cast("asyncio.WriteTransport | None", self.transport)
        if transport is not None:
            transport.abort()


class _Handler:
    """What aiosmtpd calls; the names and arguments are its own."""

    def __init__(self, catcher: SmtpCatcher) -> None:
        self._catcher = catcher

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        refusal = await self._misbehave(server, "MAIL")
        if refusal is not None:
            return refusal
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        refusal = await self._misbehave(server, "RCPT")
        if refusal is not None:
            return refusal
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        refusal = await self._misbehave(server, "DATA")
        if refusal is not None:
            return refusal
        content = cast("bytes", envelope.content)
        self._catcher._catch(CaughtMail(_parse(content), envelope.mail_from or "", tuple(envelope.rcpt_tos)))
        return "250 2.0.0 OK"

    async def handle_QUIT(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        return await self._misbehave(server, "QUIT") or "221 2.0.0 Bye"

    async def _misbehave(self, server: SMTP, stage: Stage) -> str | None:
        """A reply that refuses, or None to go on; where the conversation drops or hangs, it never returns."""
        behaviour = self._catcher._at(stage)
        if behaviour is None or behaviour.reply is not None:
            return behaviour.reply if behaviour else None
        conversation = cast("_Smtp", server)
        if behaviour.drops:
            conversation.abort()
        else:
            self._catcher._leave_hanging(conversation)
        await asyncio.Event().wait()
        raise AssertionError  # nobody sets that event: the task ends with its connection


def _parse(content: bytes) -> EmailMessage:
    message = message_from_bytes(content.replace(b"\r\n", b"\n"), policy=policy.default)
    # Headers of an SMTPUTF8 mail are UTF-8 (RFC 6532), but the parser keeps them as surrogates.
    for name, value in message.raw_items():
        if not str(value).isascii():
            message.replace_header(name, _utf8(str(value).replace("\n", "")))
    return message


def _utf8(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
