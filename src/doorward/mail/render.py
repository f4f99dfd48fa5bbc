"""Mails from texts, a brand and parameters: which language, and how they read.

A `{placeholder}` of a text is filled here; all the rest is the layout's (`templates/base.*.j2`).
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from doorward.core.clock import SECOND
from doorward.core.devices import browser_and_system
from doorward.core.errors import Refused
from doorward.i18n import choose
from doorward.i18n.dates import moment
from doorward.mail.brands import Brand, BrandError, Brands, nearest
from doorward.mail.kinds import MAILS, SAMPLE, Mail, Params
from doorward.mail.message import one_line
from doorward.mail.texts import Texts, fill, load_texts

if TYPE_CHECKING:
    import jinja2

LAYOUTS = Path(__file__).parent / "templates"


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
            for language in brand.own_languages:
                self._load(brand, language)

    def check(self, template: str, origin: str | None, language: str | None) -> None:
        """Raise `Refused("UNABLE_TO_FIND_MAIL_TEMPLATE")` where `render` would. A dictionary look-up."""
        self._choose(template, self.brands.find(origin), language)

    def has(self, template: str, origin: str | None, language: str | None) -> bool:
        """Whether `render` has words for it."""
        try:
            self.check(template, origin, language)
        except Refused:
            return False
        return True

    def language_for(
        self,
        origin: str | None,
        language: str | None,
        own: str | None = None,
        accept_language: str | None = None,
    ) -> str:
        """The first that the brand has texts in: the asked language, the user's own, the browser's, the brand's.

        `nl-BE` asks for `nl`.
        """
        brand = self.brands.find(origin)
        known = self._languages[brand.key]
        return choose(asked=language, own=own, accept_language=accept_language, default=brand.language, known=known)

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

    def texts(self, brand: Brand, language: str) -> Texts:
        """What the brand says in the language; what it says on the account pages, in any of theirs."""
        return self._load(brand, language)

    def names(self, brand: Brand, language: str) -> list[str]:
        """The mails that a brand has in one of its languages."""
        return list(self._load(brand, language).mails)

    def verify(self) -> None:
        """Render every mail of every brand in every language. Raises `BrandError` where one fails."""
        import jinja2  # noqa: PLC0415 - see `_environment`

        for brand in self.brands:
            for language in sorted(self._languages[brand.key]):
                for template in self.names(brand, language):
                    try:
                        self.render(template, brand.key, language, SAMPLE)
                    except jinja2.TemplateError as error:
                        raise BrandError(
                            f"{brand.templates}: the layout fails for {template} ({one_line(str(error))}); mend it"
                        ) from error

    def _choose(self, template: str, brand: Brand, language: str | None) -> Texts:
        known = self._languages[brand.key]
        key = (brand.key, template, choose(asked=language, default=brand.language, known=known))
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


def _check_purposes(brand: Brand) -> None:
    for name in brand.code_in_subject if isinstance(brand.code_in_subject, frozenset) else ():
        codes = [known for known, mail in MAILS.items() if mail.kind == "code"]
        if name not in codes:
            raise BrandError(f"brand {brand.key!r}: code_in_subject names {name!r}; {nearest(name, codes)}")


def _clean(params: Params) -> dict[str, str]:
    """Every parameter in one line, of a length that a mail can hold."""
    return {name: one_line(str(value)) for name, value in params.items()}


def _view(template: str, texts: Texts, brand: Brand, params: Mapping[str, str]) -> dict[str, Any]:
    """All that the layouts may use."""
    mail, words, phrases = MAILS[template], texts.mails[template], texts.phrases
    values = _values(template, mail, texts, params) | {"brand": brand.name}
    support = _support(brand)
    not_you = words.not_you if support else words.not_you_unsupported or words.not_you
    return {
        "brand": brand,
        "language": texts.language,
        "kind": mail.kind,
        "subject": fill(words.subject, values),
        "heading": fill(words.heading, values),
        "code": params.get("code") if mail.kind == "code" else None,
        "body": [fill(paragraph, values) for paragraph in words.body],
        "details": _details(mail, texts, params),
        "not_you": fill(not_you, values),
        "not_you_heading": phrases["unexpected_code" if mail.kind == "code" else "unexpected_notice"],
        "action": fill(phrases[mail.action], values) if mail.action else None,
        "action_url": brand.invitation_url if mail.action == "invitation_action" else brand.home_url,
        "help": fill(phrases["help"], values),
        "support": support,
        "reason": fill(phrases["reason"], values) if mail.kind != "plain" else None,
        "home": _shown(brand.home_url),
        "monogram": next((char.upper() for char in brand.name if char.isalnum()), "•"),
        "pair": lambda label, value: fill(phrases["pair"], {"label": label, "value": value}),
    }


def _values(template: str, mail: Mail, texts: Texts, params: Mapping[str, str]) -> dict[str, str]:
    for name in mail.needs:
        if not params.get(name):
            raise ValueError(f"mail {template} needs the parameter {name!r}")
    values = {}
    if "minutes" in mail.needs:
        values["lifetime"] = _lifetime(int(params["minutes"]), texts)
    if "remaining" in mail.needs:
        values["codes_left"] = _codes_left(int(params["remaining"]), texts)
    if "address" in mail.needs:
        values["address"] = params["address"]
    return values


def _lifetime(minutes: int, texts: Texts) -> str:
    """The lifetime in the largest unit that divides it."""
    for unit, size in (("day", 1440), ("hour", 60)):
        if minutes % size == 0 and minutes >= size:
            return texts.counted(unit, f"{unit}s", minutes // size)
    return texts.counted("minute", "minutes", minutes)


def _codes_left(count: int, texts: Texts) -> str:
    return texts.counted("codes_one", "codes_many", count) if count else texts.phrases["codes_none"]


def _details(mail: Mail, texts: Texts, params: Mapping[str, str]) -> list[tuple[str, str]]:
    """Labels and values, those given alone: what is done on the command line has no device."""
    shown = {name: params[name] for name in mail.details if params.get(name)}
    if "device" in shown:
        shown["device"] = _device(shown["device"], texts.phrases)
    if not _is_ip_address(shown.get("client_address", "")):
        shown.pop("client_address", None)
    if "at" in shown:
        shown["at"] = moment(datetime.fromtimestamp(int(shown["at"]) / SECOND, UTC), texts.language)
    return [(texts.phrases[name], value) for name, value in shown.items()]


def _is_ip_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _device(user_agent: str, phrases: Mapping[str, str]) -> str:
    """What people call a browser; any other device as it calls itself, unless that holds a link."""
    browser, system = browser_and_system(user_agent)
    if browser and system:
        return fill(phrases["browser"], {"browser": browser, "system": system})
    if browser or system:
        return browser or system
    return phrases["unknown_device"] if _LINK.search(user_agent) else one_line(user_agent, 120)


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
