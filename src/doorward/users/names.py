"""How usernames and addresses are compared, and which addresses are good.

Both are compared after NFC, trim and case folding. Beyond that nothing is the same: a character that merely folds or
normalises into ASCII (a long s, a ligature, the Kelvin sign) stays itself, so that an address that only looks the same
never matches another user's.
"""

import re
import unicodedata

import idna

from doorward.core.errors import BadInput

LONGEST = 256
INVALID_ADDRESS = "Invalid email address"
INVALID_USERNAME = "Invalid username: 1 to 256 printable characters without spaces"
# RFC 5322 atom text, and beyond ASCII whatever prints (RFC 6531).
ATOM = r"[^\s\x00-\x20\x7f()<>\[\]:;@\\,.\"]"
LOCAL_PART = re.compile(rf"{ATOM}+(?:\.{ATOM}+)*")
QUOTED_LOCAL_PART = re.compile(r'"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\[\x20-\x7e])*"')
DOMAIN = re.compile(r"(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*")
SHARP_S = "\u00df\u1e9e"
# The idna package takes these for dots, as IDNA 2003 did; a DNS name has none of them.
OTHER_DOTS = "\u3002\uff0e\uff61"
UNPRINTABLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"}


def key(name: str) -> str:
    """The compared form of a username or an address: equal keys are the same name."""
    local, at, domain = name.strip().rpartition("@")
    if not at:
        return _fold(domain)
    # A domain has rules of its own: to it, a sharp s and a final sigma are letters that folding would take away.
    return f"{_fold(local)}{at}{_ascii_domain(domain) or _fold(domain)}"


def address(text: str) -> str:
    """The address as it is stored and mailed to: trimmed, NFC. Raises BadInput("Invalid email address")."""
    if len(text) > LONGEST:
        raise BadInput(INVALID_ADDRESS)
    trimmed = unicodedata.normalize("NFC", text.strip())
    if _has_double(text):
        raise BadInput(INVALID_ADDRESS)
    local, _, domain = trimmed.rpartition("@")
    printable = all(c == " " or unicodedata.category(c) not in UNPRINTABLE for c in trimmed)
    if not printable or not (LOCAL_PART.fullmatch(local) or QUOTED_LOCAL_PART.fullmatch(local)):
        raise BadInput(INVALID_ADDRESS)
    if _ascii_domain(domain) is None:
        raise BadInput(INVALID_ADDRESS)
    return trimmed


def username(text: str) -> str:
    """A username as it is stored: trimmed, NFC. Raises BadInput."""
    trimmed = unicodedata.normalize("NFC", text.strip())
    printable = all(unicodedata.category(c) not in UNPRINTABLE for c in trimmed)
    if not 1 <= len(trimmed) <= LONGEST or not printable or _has_double(text):
        raise BadInput(INVALID_USERNAME)
    return trimmed


def mask(address_text: str) -> str:
    """An address of which only its owner can tell that it is theirs: `j•••@e•••.org`."""
    local, _, domain = address_text.rpartition("@")
    host, _, top = domain.rpartition(".")
    return f"{local[:1]}•••@{host[:1]}•••.{top}" if host else f"{local[:1]}•••@{domain[:1]}•••"


def _fold(text: str) -> str:
    protected = "".join(_marked(c) if _becomes_ascii(c) else c for c in text)
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", protected).casefold())


def _becomes_ascii(c: str) -> bool:
    # NUL is no text to PostgreSQL; it can be in no stored name either.
    return c == "\0" or (not c.isascii() and unicodedata.normalize("NFC", c).casefold().isascii())


def _marked(c: str) -> str:
    # U+FFFE is no character, so that no name holds it. The sharp s has two cases of its own.
    return f"\ufffe{ord(c.lower() if len(c.lower()) == 1 and not c.lower().isascii() else c):x}\ufffe"


def _has_double(text: str) -> bool:
    """Whether NFC makes ASCII of a character (the Kelvin sign, two marks): stored, it would be another's name."""
    return any(not c.isascii() and unicodedata.normalize("NFC", c).isascii() for c in text)


def _ascii_domain(text: str) -> str | None:
    """The domain in A-labels (RFC 5891), or None when it is not one."""
    if any((_becomes_ascii(c) and c not in SHARP_S) or c in OTHER_DOTS for c in text):
        return None
    domain = unicodedata.normalize("NFC", text).lower()
    if domain.isascii() and "xn--" not in domain:
        return domain if DOMAIN.fullmatch(domain) else None
    try:
        encoded = idna.encode(domain).decode()
    except (idna.IDNAError, UnicodeError):
        return None
    return encoded if DOMAIN.fullmatch(encoded) else None
