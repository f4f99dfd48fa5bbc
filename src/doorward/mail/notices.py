"""Mails with what all of them tell: when they were caused, from where, and by which device."""

from dataclasses import dataclass

from doorward.core.client import Client
from doorward.core.clock import MINUTE
from doorward.mail.outbox import Mail
from doorward.mail.render import Renderer


@dataclass(frozen=True)
class MailChoice:
    """The brand and the language that a caller asked for, and what the caller's browser reads."""

    origin: str | None = None
    language: str | None = None
    accept_language: str | None = None


def notice(
    mails: Renderer, to: str, template: str, client: Client, now: int, *, language: str | None, **params: str | int
) -> Mail:
    """Tells a user what has happened, in the brand that the client came by, the default one where that lacks the mail.

    In the language of the user's choice, else the brand's: never in that of the call, which may be a stranger's.
    """
    origin = client.origin if mails.has(template, client.origin, language) else None
    return Mail(to, template, origin, language, _asked(client, now) | params)


def code_mail(
    to: str, template: str, *, origin: str | None, language: str, client: Client, now: int, code: str, lifetime: int
) -> Mail:
    """Carries a code; `lifetime` in milliseconds."""
    params = _asked(client, now) | {"code": code, "minutes": lifetime // MINUTE, "address": to}
    return Mail(to, template, origin, language, params)


def _asked(client: Client, now: int) -> dict[str, str | int]:
    return {"client_address": client.address, "device": client.user_agent[:400], "at": now}
