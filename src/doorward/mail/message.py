"""A rendered mail as the message that goes over the wire."""

import email.policy
import re
import unicodedata
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import TYPE_CHECKING

from doorward.mail.domains import ascii_domain

if TYPE_CHECKING:
    from doorward.mail.render import Rendered

_ID = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Categories of characters: control, format, surrogate, line and paragraph ends."""
_ID_LENGTH = 64  # characters
_NOT_IN_ADDRESS = re.compile(r"[\s\"(),:;<>@\[\\\]]")


def build(rendered: "Rendered", to: str, message_id: str, sent_at: datetime) -> EmailMessage:
    """The whole message: text and HTML, 7-bit bodies, headers in one line each.

    `message_id` is the left part of the Message-ID (letters, digits, `.`, `_`, `-`).
    `sent_at` is aware. A recipient whose local part is not ASCII gives a message with the SMTPUTF8 policy,
    which `smtplib.SMTP.send_message` sends only to servers that can take it. Raises `ValueError`.
    """
    brand, recipient = rendered.brand, _address(to)
    message = EmailMessage(email.policy.SMTP if recipient.username.isascii() else email.policy.SMTPUTF8)
    message["From"] = _address(brand.sender, brand.sender_name)
    message["To"] = recipient
    if brand.reply_to:
        message["Reply-To"] = _address(brand.reply_to)
    message["Subject"] = one_line(rendered.subject)
    message["Date"] = _date(sent_at)
    message["Message-ID"] = _message_id(message_id, brand.sender)
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"  # the same, for Exchange's out-of-office answers
    message.set_content(rendered.text, cte="quoted-printable")
    message.add_alternative(rendered.html, subtype="html", cte="quoted-printable")
    message["Content-Language"] = one_line(rendered.language)  # last: `set_content` gives it to a part
    return message


def one_line(text: str, limit: int = 320) -> str:
    """The text without line breaks and invisible characters, cut to `limit` characters."""
    seen = "".join(" " if unicodedata.category(char) in UNSEEN else char for char in text)
    line = re.sub(r"[ \t]+", " ", seen).strip()
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def _address(address: str, name: str = "") -> Address:
    local, _, domain = address.rpartition("@")
    domain = ascii_domain(domain)
    if not local or not domain or not domain.isascii():
        raise ValueError(f"{address!r} is not an address that mail can be sent to")
    if _NOT_IN_ADDRESS.search(local + domain) or one_line(local + domain) != local + domain:
        raise ValueError(f"{address!r} holds characters that an address cannot have here")
    return Address(one_line(name), local, domain)


def _date(sent_at: datetime) -> str:
    if sent_at.tzinfo is None:
        raise ValueError("sent_at must be aware of its time zone")
    return format_datetime(sent_at)


def _message_id(left: str, sender: str) -> str:
    if len(left) > _ID_LENGTH or not _ID.fullmatch(left):
        raise ValueError(f"{left!r} cannot be the left part of a Message-ID")
    return f"<{left}@{ascii_domain(sender.rpartition('@')[2])}>"
