"""The texts of a brand in a language: what is shipped, under what the operator has written.

An operator's file (`nl.toml`) holds `[phrases]`, shared by all mails, and a table `[mails.NAME]` for each; whatever is
in it replaces that part of the shipped texts. `[pages]` says messages of the account pages in other words, `[notes]`
adds to them.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from doorward.i18n import LANGUAGES, messages, translations
from doorward.mail import words
from doorward.mail.brands import Brand, BrandError, nearest
from doorward.mail.kinds import MAILS
from doorward.mail.message import one_line
from doorward.mail.words import MailText


@dataclass(frozen=True, slots=True)
class Texts:
    """All words of one brand in one language."""

    language: str
    phrases: Mapping[str, str]
    mails: Mapping[str, MailText]
    pages: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)

    def counted(self, one: str, many: str, count: int) -> str:
        """The phrase of these names for a number: the operator's, else the catalogue's, which knows of more forms."""
        text = self.phrases.get(one if count == 1 else many)
        if text is None:
            text = words.COUNTED[one, many](translations(self.language), count)
        return fill(text, {"count": str(count)})


def load_texts(brand: Brand, language: str) -> Texts:
    """The shipped texts (unless the brand replaces them all) under the brand's own. Raises `BrandError`."""
    is_shipped = language in LANGUAGES
    file = brand.templates / f"{language}.toml" if brand.templates else None
    own = _read(file) if file and file.is_file() else None
    mails = shipped_mails(language) if is_shipped and not brand.templates_only else {}
    phrases = shipped_phrases(language) if is_shipped else {}
    if own is not None:
        phrases |= _phrases(own.get("phrases", {}), f"{file}, [phrases]", whole=not is_shipped)
        for name, table in own.get("mails", {}).items():
            mails[name] = _mail_text(name, table, mails.get(name), f"{file}, [mails.{name}]")
    return Texts(
        language,
        phrases,
        mails,
        _pages((own or {}).get("pages", {}), f"{file}, [pages]"),
        _notes((own or {}).get("notes", {}), f"{file}, [notes]"),
    )


def page_messages() -> frozenset[str]:
    """What the account pages say, in English, without what depends on a number."""
    mailed = {*words.PHRASES.values()}
    for mail in words.MAILS.values():
        mailed |= {mail.subject, mail.heading, *mail.body, mail.not_you, mail.not_you_unsupported}
    return messages() - mailed


def shipped_phrases(language: str) -> dict[str, str]:
    """What mails have in common, in one of `LANGUAGES`, without what depends on a number."""
    translate = translations(language).gettext
    return {name: translate(text) for name, text in words.PHRASES.items()}


def shipped_mails(language: str) -> dict[str, MailText]:
    """The words of all mails in one of `LANGUAGES`."""
    translate = translations(language).gettext
    return {
        name: MailText(
            translate(mail.subject),
            translate(mail.heading),
            tuple(translate(paragraph) for paragraph in mail.body),
            *(translate(text) if text else "" for text in (mail.not_you, mail.not_you_unsupported)),
        )
        for name, mail in words.MAILS.items()
    }


def fill(text: str, values: Mapping[str, str]) -> str:
    """The text with its placeholders filled; what is filled in is never searched for placeholders again."""
    return _PLACEHOLDER.sub(lambda match: values[match[1]], text)


def _read(path: Path) -> dict[str, Any]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BrandError(f"{path}: cannot be read as TOML ({one_line(str(error))}); mend the file") from error
    _known(document, {"phrases", "mails", "pages", "notes"}, str(path))
    return {name: _table(table, f"{path}, [{name}]") for name, table in document.items()}


def _table(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BrandError(f"{where} must be a table, not {value!r}")
    return value


def _known(table: Mapping[str, object], known: Mapping[str, object] | set[str], where: str) -> None:
    for name in table:
        if name not in known:
            raise BrandError(f"{where} has an unknown key {name!r}; {nearest(name, known)}")


def _phrases(table: Mapping[str, object], where: str, *, whole: bool) -> dict[str, str]:
    """The operator's phrases; `whole` where there are no others under them."""
    _known(table, PHRASES, where)
    for name in PHRASES if whole else ():
        if name not in table:
            raise BrandError(f"{where} lacks {name!r}; add it (a language of your own needs every phrase)")
    return {name: _sentence(text, PHRASES[name], f"{where} {name}") for name, text in table.items()}


def _pages(table: Mapping[str, object], where: str) -> dict[str, str]:
    """Messages in the operator's words, each with the values that the shipped one shows."""
    known = page_messages() if table else frozenset()
    _known(table, set(known), where)
    return {message: _message(text, message, f"{where} {message!r}") for message, text in table.items()}


def _message(value: object, message: str, where: str) -> str:
    text = str(value)
    _line(text.replace(SOFT_HYPHEN, "") if isinstance(value, str) else value, where)
    unknown = _values(text) - _values(message)
    if unknown or "%" in _VALUE.sub("", text):
        raise BrandError(f"{where} has {' '.join(sorted(unknown)) or '%'}, which the message does not; take it out")
    return text


def _notes(table: Mapping[str, object], where: str) -> dict[str, str]:
    _known(table, NOTES, where)
    return {name: _line(text, f"{where} {name}") for name, text in table.items()}


def _values(message: str) -> set[str]:
    return set(_VALUE.findall(message))


def _mail_text(name: str, value: object, shipped: MailText | None, where: str) -> MailText:
    if name not in MAILS:
        raise BrandError(f"{where} is no mail of Doorward; {nearest(name, MAILS)}")
    own = _table(value, where)
    _known(own, {"subject", "heading", "body", "not_you"}, where)
    table = {**_as_table(shipped), **own}
    for key in ("subject", "heading", "body"):
        if not table.get(key):
            raise BrandError(f"{where} lacks {key!r}; add it")
    allowed = MAILS[name].placeholders
    subject, heading, not_you = (
        _sentence(table.get(key, ""), allowed, f"{where} {key}") for key in ("subject", "heading", "not_you")
    )
    body = table["body"]
    if not isinstance(body, list):
        raise BrandError(f"{where} body must be a list of paragraphs, not {body!r}")
    paragraphs = tuple(_sentence(item, allowed, f"{where} body") for item in body)
    unsupported = shipped.not_you_unsupported if shipped and "not_you" not in own else ""
    return MailText(subject, heading, paragraphs, not_you, unsupported)


def _as_table(text: MailText | None) -> dict[str, Any]:
    if text is None:
        return {}
    return {"subject": text.subject, "heading": text.heading, "body": [*text.body], "not_you": text.not_you}


def _sentence(value: object, allowed: frozenset[str], where: str) -> str:
    """The value, if it is one line of text whose placeholders are all allowed. Raises `BrandError`."""
    text = _line(value, where)
    for name in _PLACEHOLDER.findall(text):
        if name not in allowed:
            raise BrandError(f"{where} has an unknown placeholder {{{name}}}; {nearest(name, allowed)}")
    if "{" in _PLACEHOLDER.sub("", text) or "}" in _PLACEHOLDER.sub("", text):
        raise BrandError(f"{where} {text!r} has a brace that does not close a placeholder; take it out")
    return text


def _line(value: object, where: str) -> str:
    if not isinstance(value, str) or one_line(value, len(value)) != value:
        raise BrandError(f"{where} must be a text in one line, not {value!r}")
    return value


NOTES = {"sign-in", "footer"}
"""Where the account pages have room for a sentence: under the heading of the first one, and at the end of all."""
SOFT_HYPHEN = "\u00ad"
_VALUE = re.compile(r"%\(\w+\)[sd]|\{\w+\}")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def _placeholders(text: str) -> frozenset[str]:
    return frozenset(_PLACEHOLDER.findall(text))


PHRASES: Mapping[str, frozenset[str]] = {
    **{name: _placeholders(text) for name, text in words.PHRASES.items()},
    **{name: frozenset({"count"}) for names in words.COUNTED for name in names},
}
"""The phrases that an operator can write, each with the placeholders it may hold."""
