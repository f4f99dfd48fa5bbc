"""Words in the languages of people: which there are, which one to use, and the catalogues.

English is the language of the source and has no catalogue. `make messages` writes all others.
"""

import gettext
import re
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

LANGUAGES = ("en", "nl", "fr", "de", "it", "es", "da", "sv", "pt", "pl")
"""Two letters each (ISO 639-1); the source's own comes first."""
SOURCE = LANGUAGES[0]
NAMES = {
    "en": "English",
    "nl": "Nederlands",
    "fr": "Français",
    "de": "Deutsch",
    "it": "Italiano",
    "es": "Español",
    "da": "Dansk",
    "sv": "Svenska",
    "pt": "Português",
    "pl": "Polski",
}
"""What each language is called by those who speak it, to choose from."""
DOMAIN = "doorward"
CATALOGUES = Path(__file__).parent / "locale"

N_: Callable[[str], str] = str
"""Marks a constant for the catalogues; whoever shows it translates it."""

_MOST_RANGES = 20  # of an Accept-Language header; browsers send fewer than ten
_RANGE = re.compile(r"\s*([A-Za-z]{1,8}|\*)(?:-[A-Za-z0-9-]*)?\s*(?:;\s*q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*)?")
_TAG = re.compile(r"([A-Za-z]{2})(?![^-_])")

_loaded: dict[str, gettext.NullTranslations] = {SOURCE: gettext.NullTranslations()}
_loading = threading.Lock()


def translations(language: str) -> gettext.NullTranslations:
    """The catalogue of one of `LANGUAGES`, read at its first use. Raises KeyError for any other language."""
    found = _loaded.get(language)
    return found or _load(language)


class OwnWords(gettext.NullTranslations):
    """A catalogue of which some messages are said in words of an operator's own."""

    def __init__(self, own: Mapping[str, str], catalogue: gettext.NullTranslations) -> None:
        super().__init__()
        self._own = own
        self.add_fallback(catalogue)

    def gettext(self, message: str) -> str:
        return self._own.get(message) or super().gettext(message)


def messages() -> frozenset[str]:
    """All messages that the catalogues translate, without those that depend on a number or a context."""
    # Any catalogue holds all, which tests see to; the module that reads them has no other way to list them.
    catalogue: Mapping[object, str] = vars(translations(LANGUAGES[1]))["_catalog"]
    return frozenset(message for message in catalogue if isinstance(message, str) and message and "\4" not in message)


def find(tag: str | None, known: Collection[str] = LANGUAGES) -> str | None:
    """The language that a tag names, as in `nl`, `nl-BE` and `NL_be`; None for one that is not known."""
    match = _TAG.match(tag or "")
    code = match[1].lower() if match else ""
    return code if code in known else None


def choose(
    *,
    asked: str | None = None,
    own: str | None = None,
    accept_language: str | None = None,
    default: str | None = None,
    known: Collection[str] = LANGUAGES,
) -> str:
    """The first that is known of: what is asked for, the user's own choice, what the browser reads, the default.

    English where none is: `default` comes from an origin that may have been given any language.
    """
    wishes = (asked, own, *accepted(accept_language), default)
    return next((code for wish in wishes if (code := find(wish, known))), SOURCE)


def accepted(header: str | None) -> Iterator[str]:
    """The languages of an Accept-Language header (RFC 9110, section 12.5.4), best first, without what is malformed."""
    ranges = []
    for part in (header or "").split(",", _MOST_RANGES)[:_MOST_RANGES]:
        match = _RANGE.fullmatch(part)
        if match and match[1] != "*" and (quality := float(match[2] or 1)) > 0:
            ranges.append((-quality, match[1].lower()))
    return (code for _, code in sorted(ranges, key=lambda each: each[0]))


def _load(language: str) -> gettext.NullTranslations:
    if language not in LANGUAGES:
        raise KeyError(language)
    with _loading:
        if language not in _loaded:
            with (CATALOGUES / language / "LC_MESSAGES" / f"{DOMAIN}.mo").open("rb") as file:
                _loaded[language] = gettext.GNUTranslations(file)
    return _loaded[language]
