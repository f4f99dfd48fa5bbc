"""Mails from texts and a brand: which exist, in which language, and how they read.

A text file (`texts/nl.toml`) holds `[phrases]`, shared by all mails, and a table `[mails.NAME]` for each.
An operator's folder may hold files of the same form that replace any part. A `{placeholder}` is filled
here; all the rest is the layout's (`templates/base.*.j2`).
"""

import ipaddress
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote, urlsplit

from doorward.core.errors import Refused
from doorward.mail.brands import SHIPPED_LANGUAGES, Brand, BrandError, Brands, nearest
from doorward.mail.message import one_line

if TYPE_CHECKING:
    import jinja2

_HERE = Path(__file__).parent
TEXTS = _HERE / "texts"
LAYOUTS = _HERE / "templates"

Params = Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Mail:
    """What a mail is made of: the parameters it needs, and the details it shows where they are given."""

    kind: Literal["code", "notice", "plain"]
    needs: tuple[str, ...] = ()
    details: tuple[str, ...] = ("address", "client_address", "device", "at")
    action: bool = False  # a link to the brand's home


_CODE = ("code", "minutes")
_ASKED = (
    "client_address",
    "device",
    "at",
)  # for an address that may be a stranger's: the account is not named
_NOTICE = Mail("notice", action=True)
MAILS: Mapping[str, Mail] = {
    "reset-code": Mail("code", _CODE),
    "email-otp-code": Mail("code", _CODE),
    "email-otp-setup-code": Mail("code", _CODE, _ASKED),
    "transfer-code": Mail("code", _CODE, _ASKED),
    "invitation": Mail("code", _CODE, ("address",), action=True),
    "test": Mail("plain", details=("at",)),
    "password-changed": _NOTICE,
    "password-reset": _NOTICE,
    "address-changed": Mail("notice", ("address",), _ASKED),
    "totp-enabled": _NOTICE,
    "totp-disabled": _NOTICE,
    "email-otp-enabled": _NOTICE,
    "email-otp-disabled": _NOTICE,
    "recovery-codes-replaced": _NOTICE,
    "recovery-codes-ended": _NOTICE,
    "recovery-code-used": Mail("notice", ("remaining",), action=True),
}
PHRASES: Mapping[str, frozenset[str]] = {
    "minute": frozenset(),
    "minutes": frozenset({"count"}),
    "hour": frozenset(),
    "hours": frozenset({"count"}),
    "day": frozenset(),
    "days": frozenset({"count"}),
    "codes_none": frozenset(),
    "codes_one": frozenset(),
    "codes_many": frozenset({"count"}),
    "address": frozenset(),
    "client_address": frozenset(),
    "device": frozenset(),
    "at": frozenset(),
    "browser": frozenset({"browser", "system"}),
    "unknown_device": frozenset(),
    "pair": frozenset({"label", "value"}),
    "unexpected_code": frozenset(),
    "unexpected_notice": frozenset(),
    "action": frozenset({"brand"}),
    "help": frozenset(),
    "reason": frozenset({"brand"}),
}
"""The phrases of every language, each with the placeholders it may hold."""

SAMPLE: Params = {
    "code": "482913",
    "minutes": 10,
    "address": "ann@example.org",
    "client_address": "192.0.2.7",
    "device": "Firefox on Linux",
    "at": "2026-11-24 15:45 UTC",
    "remaining": 3,
}
"""Parameters that every mail can be shown with."""


@dataclass(frozen=True, slots=True)
class MailText:
    """The words of one mail in one language, placeholders not filled yet."""

    subject: str
    heading: str
    body: tuple[str, ...]
    not_you: str = ""


@dataclass(frozen=True, slots=True)
class Texts:
    """All words of one brand in one language."""

    language: str
    phrases: Mapping[str, str]
    mails: Mapping[str, MailText]


@dataclass(frozen=True, slots=True)
class Rendered:
    """A mail in words, ready to be built into a message."""

    subject: str
    text: str
    html: str
    brand: Brand
    language: str


@dataclass(slots=True)
class Renderer:
    """Finds and renders mails. Safe to share between threads; what it has loaded once it keeps."""

    brands: Brands
    _languages: dict[str, frozenset[str]] = field(default_factory=dict, init=False)
    _texts: dict[tuple[str, str], Texts] = field(default_factory=dict, init=False)
    _found: dict[tuple[str, str, str], Texts | None] = field(default_factory=dict, init=False)
    _layouts: "dict[str, jinja2.Environment]" = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        """Load the operators' own texts at once: a mistake in them stops the start. Raises `BrandError`."""
        for brand in self.brands:
            self._languages[brand.key] = brand.languages
            _check_purposes(brand)
            if brand.templates is not None:
                for language in brand.languages:
                    self._load(brand, language)

    def check(self, template: str, origin: str | None, language: str | None) -> None:
        """Raise `Refused("UNABLE_TO_FIND_MAIL_TEMPLATE")` where `render` would. A dictionary look-up."""
        self._choose(template, self.brands.find(origin), language)

    def render(self, template: str, origin: str | None, language: str | None, params: Params) -> Rendered:
        """The mail in words. Parameters it does not know are left aside.

        Raises `Refused("UNABLE_TO_FIND_MAIL_TEMPLATE")`, and `ValueError` for a missing parameter.
        """
        brand = self.brands.find(origin)
        texts = self._choose(template, brand, language)
        view = _view(template, texts, brand, _clean(params))
        layouts = self._environment(brand)
        text, html = (layouts.get_template(f"base.{part}.j2").render(view) for part in ("txt", "html"))
        return Rendered(_subject(template, view, brand), _tidy(text), _tidy(html), brand, texts.language)

    def verify(self) -> None:
        """Render every mail of every brand in every language. Raises `BrandError` where one fails."""
        import jinja2  # noqa: PLC0415 - see `_environment`

        for brand in self.brands:
            for language in sorted(self._languages[brand.key]):
                for template in self._load(brand, language).mails:
                    try:
                        self.render(template, brand.key, language, SAMPLE)
                    except jinja2.TemplateError as error:
                        raise BrandError(
                            f"{brand.templates}: the layout fails for {template} ({one_line(str(error))}); mend it"
                        ) from error

    def _language(self, brand: Brand, language: str | None) -> str:
        """The asked language where the brand has it (`nl-BE` asks for `nl`), else the brand's own."""
        asked = _LANGUAGE_TAG.match(language or "")
        code = asked[1].lower() if asked else ""
        return code if code in self._languages[brand.key] else brand.language

    def _choose(self, template: str, brand: Brand, language: str | None) -> Texts:
        key = (brand.key, template, self._language(brand, language))
        if key not in self._found:
            self._found[key] = self._search(template, brand, key[2])
        texts = self._found[key]
        if texts is None:
            raise Refused("UNABLE_TO_FIND_MAIL_TEMPLATE")
        return texts

    def _search(self, template: str, brand: Brand, language: str) -> Texts | None:
        for candidate in (language, brand.language, "en"):
            if candidate in self._languages[brand.key]:
                texts = self._load(brand, candidate)
                if template in texts.mails:
                    return texts
        return None

    def _load(self, brand: Brand, language: str) -> Texts:
        key = (brand.key, language)
        if key not in self._texts:
            self._texts[key] = load_texts(brand, language)
        return self._texts[key]

    def _environment(self, brand: Brand) -> "jinja2.Environment":
        """The brand's layouts, compiled when first used. Jinja2 is loaded here: requests need none of it."""
        import jinja2  # noqa: PLC0415

        if brand.key not in self._layouts:
            folders = [LAYOUTS] if brand.templates is None else [brand.templates, LAYOUTS]
            self._layouts[brand.key] = jinja2.Environment(
                loader=jinja2.FileSystemLoader(folders),
                autoescape=lambda name: name is None or not name.endswith(".txt.j2"),  # noqa: S701
                undefined=jinja2.StrictUndefined,
                auto_reload=False,
                trim_blocks=True,
                lstrip_blocks=True,
            )
        return self._layouts[brand.key]


_LANGUAGE_TAG = re.compile(r"([A-Za-z]{2})(?![^-_])")


def load_texts(brand: Brand, language: str) -> Texts:
    """The shipped texts (unless the brand replaces them all) under the brand's own. Raises `BrandError`."""
    shipped = _read(TEXTS / f"{language}.toml") if language in SHIPPED_LANGUAGES else {}
    own_file = brand.templates / f"{language}.toml" if brand.templates else None
    own = _read(own_file) if own_file and own_file.is_file() else {}
    where = str(own_file if own else TEXTS / f"{language}.toml")
    mails = {} if brand.templates_only else dict(shipped.get("mails", {}))
    for name, table in own.get("mails", {}).items():
        mails[name] = {**mails.get(name, {}), **_table(table, f"{where}, [mails.{name}]")}
    phrases = {**shipped.get("phrases", {}), **own.get("phrases", {})}
    return Texts(
        language,
        _phrases(phrases, f"{where}, [phrases]"),
        {name: _mail_text(name, table, f"{where}, [mails.{name}]") for name, table in mails.items()},
    )


def _check_purposes(brand: Brand) -> None:
    for name in brand.code_in_subject if isinstance(brand.code_in_subject, frozenset) else ():
        codes = [known for known, mail in MAILS.items() if mail.kind == "code"]
        if name not in codes:
            raise BrandError(f"brand {brand.key!r}: code_in_subject names {name!r}; {nearest(name, codes)}")


def _read(path: Path) -> dict[str, Any]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BrandError(f"{path}: cannot be read as TOML ({one_line(str(error))}); mend the file") from error
    _known(document, {"phrases", "mails"}, str(path))
    return {name: _table(table, f"{path}, [{name}]") for name, table in document.items()}


def _table(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BrandError(f"{where} must be a table, not {value!r}")
    return value


def _known(table: Mapping[str, object], known: Mapping[str, object] | set[str], where: str) -> None:
    for name in table:
        if name not in known:
            raise BrandError(f"{where} has an unknown key {name!r}; {nearest(name, known)}")


def _phrases(table: Mapping[str, object], where: str) -> dict[str, str]:
    _known(table, PHRASES, where)
    for name in PHRASES:
        if name not in table:
            raise BrandError(f"{where} lacks {name!r}; add it (a language of your own needs every phrase)")
    return {name: _sentence(table[name], allowed, f"{where} {name}") for name, allowed in PHRASES.items()}


def _mail_text(name: str, table: Mapping[str, object], where: str) -> MailText:
    if name not in MAILS:
        raise BrandError(f"{where} is no mail of Doorward; {nearest(name, MAILS)}")
    _known(table, {"subject", "heading", "body", "not_you"}, where)
    for key in ("subject", "heading", "body"):
        if not table.get(key):
            raise BrandError(f"{where} lacks {key!r}; add it")
    allowed = placeholders(MAILS[name])
    subject, heading, not_you = (
        _sentence(table.get(key, ""), allowed, f"{where} {key}") for key in ("subject", "heading", "not_you")
    )
    body = table["body"]
    if not isinstance(body, list):
        raise BrandError(f"{where} body must be a list of paragraphs, not {body!r}")
    return MailText(subject, heading, tuple(_sentence(item, allowed, f"{where} body") for item in body), not_you)


def placeholders(mail: Mail) -> frozenset[str]:
    """What the texts of this mail may hold in braces."""
    made = {"minutes": "lifetime", "remaining": "codes_left", "address": "address"}
    return frozenset({"brand"} | {made[name] for name in mail.needs if name in made})


def _sentence(value: object, allowed: frozenset[str], where: str) -> str:
    """The value, if it is one line of text whose placeholders are all allowed. Raises `BrandError`."""
    if not isinstance(value, str) or one_line(value, len(value)) != value:
        raise BrandError(f"{where} must be a text in one line, not {value!r}")
    for name in _PLACEHOLDER.findall(value):
        if name not in allowed:
            raise BrandError(f"{where} has an unknown placeholder {{{name}}}; {nearest(name, allowed)}")
    if "{" in _PLACEHOLDER.sub("", value) or "}" in _PLACEHOLDER.sub("", value):
        raise BrandError(f"{where} {value!r} has a brace that does not close a placeholder; take it out")
    return value


_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def _fill(text: str, values: Mapping[str, str]) -> str:
    """The text with its placeholders filled; what is filled in is never searched for placeholders again."""
    return _PLACEHOLDER.sub(lambda match: values[match[1]], text)


def _clean(params: Params) -> dict[str, str]:
    """Every parameter in one line, of a length that a mail can hold."""
    return {name: one_line(str(value)) for name, value in params.items()}


def _view(template: str, texts: Texts, brand: Brand, params: Mapping[str, str]) -> dict[str, Any]:
    """All that the layouts may use."""
    mail, words = MAILS[template], texts.mails[template]
    values = _values(template, mail, texts.phrases, params) | {"brand": brand.name}
    phrases = {name: _fill(texts.phrases[name], values) for name in ("action", "help", "reason")}
    return {
        "brand": brand,
        "language": texts.language,
        "kind": mail.kind,
        "subject": _fill(words.subject, values),
        "heading": _fill(words.heading, values),
        "code": params.get("code") if mail.kind == "code" else None,
        "body": [_fill(paragraph, values) for paragraph in words.body],
        "details": _details(mail, texts.phrases, params),
        "not_you": _fill(words.not_you, values),
        "not_you_heading": texts.phrases["unexpected_code" if mail.kind == "code" else "unexpected_notice"],
        "action": phrases["action"] if mail.action else None,
        "help": phrases["help"],
        "support": _support(brand),
        "reason": phrases["reason"] if mail.kind != "plain" else None,
        "home": _shown(brand.home_url),
        "monogram": next((char.upper() for char in brand.name if char.isalnum()), "•"),
        "pair": lambda label, value: _fill(texts.phrases["pair"], {"label": label, "value": value}),
    }


def _values(template: str, mail: Mail, phrases: Mapping[str, str], params: Mapping[str, str]) -> dict[str, str]:
    for name in mail.needs:
        if not params.get(name):
            raise ValueError(f"mail {template} needs the parameter {name!r}")
    values = {}
    if "minutes" in mail.needs:
        values["lifetime"] = _lifetime(int(params["minutes"]), phrases)
    if "remaining" in mail.needs:
        values["codes_left"] = _codes_left(int(params["remaining"]), phrases)
    if "address" in mail.needs:
        values["address"] = params["address"]
    return values


def _lifetime(minutes: int, phrases: Mapping[str, str]) -> str:
    """The lifetime in the largest unit that divides it."""
    for name, size in (("day", 1440), ("hour", 60), ("minute", 1)):
        if minutes % size == 0 and minutes >= size:
            count = minutes // size
            return phrases[name] if count == 1 else _fill(phrases[f"{name}s"], {"count": str(count)})
    return _fill(phrases["minutes"], {"count": str(minutes)})


def _codes_left(count: int, phrases: Mapping[str, str]) -> str:
    name = {0: "codes_none", 1: "codes_one"}.get(count, "codes_many")
    return _fill(phrases[name], {"count": str(count)})


def _details(mail: Mail, phrases: Mapping[str, str], params: Mapping[str, str]) -> list[tuple[str, str]]:
    """Labels and values, those given alone: what is done on the command line has no device."""
    shown = {name: params[name] for name in mail.details if params.get(name)}
    if "device" in shown:
        shown["device"] = _device(shown["device"], phrases)
    if not _is_ip_address(shown.get("client_address", "")):
        shown.pop("client_address", None)
    return [(phrases[name], value) for name, value in shown.items()]


def _is_ip_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _device(user_agent: str, phrases: Mapping[str, str]) -> str:
    """What people call a browser; any other device as it calls itself, unless that holds a link."""
    if user_agent.startswith("Mozilla/"):
        browser, system = _first(_BROWSERS, user_agent), _first(_SYSTEMS, user_agent)
        if browser and system:
            return _fill(phrases["browser"], {"browser": browser, "system": system})
        if browser or system:
            return browser or system
    return phrases["unknown_device"] if _LINK.search(user_agent) else one_line(user_agent, 120)


def _first(names: Mapping[str, str], user_agent: str) -> str:
    return next((name for sign, name in names.items() if sign in user_agent), "")


# In this order: most browsers also claim to be those that follow.
_BROWSERS = {
    "Edg/": "Edge",
    "EdgA/": "Edge",
    "EdgiOS/": "Edge",
    "OPR/": "Opera",
    "SamsungBrowser/": "Samsung Internet",
    "Vivaldi/": "Vivaldi",
    "FxiOS/": "Firefox",
    "Firefox/": "Firefox",
    "CriOS/": "Chrome",
    "Chrome/": "Chrome",
    "Safari/": "Safari",
}
_SYSTEMS = {
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Android": "Android",
    "CrOS": "ChromeOS",
    "Windows": "Windows",
    "Macintosh": "Mac",
    "Linux": "Linux",
}
_LINK = re.compile(r"://|www\.|@|[^\W\d_][.\u3002][^\W\d_]{2,}", re.IGNORECASE)
"""What mail programs turn into a link. Whoever asks for a mail names the device; it must not be bait."""


def _support(brand: Brand) -> list[tuple[str, str, str]]:
    """Ways to get help: what HTML shows, what plain text shows, where the link leads."""
    ways = []
    if brand.support_address:
        ways.append(
            (
                brand.support_address,
                brand.support_address,
                f"mailto:{quote(brand.support_address, safe='@+')}",
            )
        )
    if brand.support_url:
        ways.append((_shown(brand.support_url), brand.support_url, brand.support_url))
    return ways


def _shown(url: str) -> str:
    """The address as people say it: without scheme and final slash."""
    parts = urlsplit(url)
    return url.removeprefix(f"{parts.scheme}://").rstrip("/")


def _subject(template: str, view: Mapping[str, Any], brand: Brand) -> str:
    switch = brand.code_in_subject
    with_code = template in switch if isinstance(switch, frozenset) else switch
    return one_line(f"{view['code']} – {view['subject']}" if with_code and view["code"] else view["subject"])  # noqa: RUF001


def _tidy(text: str) -> str:
    """At most one empty line in a row, none at the ends, no blanks at the ends of lines."""
    lines = "\n".join(line.rstrip() for line in text.strip().split("\n"))
    return re.sub(r"\n{3,}", "\n\n", lines) + "\n"
