"""Brands: how a mail looks and who sends it, chosen by the `origin` of the request.

The optional file has one `[default]` table and any number of `[brands.NAME]` tables, NAME being the origin.
What a brand does not set is the default brand's; an empty text clears an optional key. `_CHECKS` lists all.
"""

import colorsys
import difflib
import ipaddress
import re
import tomllib
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from doorward.i18n import LANGUAGES
from doorward.mail.domains import ascii_domain
from doorward.mail.message import UNSEEN

INVITATION_PAGE = "/account/reset/code"  # asks for the address, the code and a password
MAXIMUM_NAME = 60  # characters; mail programs show fewer
MINIMUM_CONTRAST = 4.5  # WCAG 2.2, 1.4.3


LARGEST_LOGO = 50_000  # bytes; more than a page has


class BrandError(ValueError):
    """A brand that cannot be used. Its text is one line that says where, what and how to mend it."""


@dataclass(frozen=True, slots=True)
class Logo:
    """A picture that the account pages show."""

    content: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class Brand:
    """How mails and account pages look, checked: no text in it can break a header or a page."""

    key: str  # the origin it serves; "" for the default brand
    name: str
    sender: str
    sender_name: str
    home_url: str
    invitation_url: str  # where an invited person chooses a first password
    reply_to: str | None = None
    logo_url: str | None = None  # of mails, and of pages where it is at the service's own origin
    logo: Logo | None = None  # of pages
    accent: str = "#1f5a96"
    accent_text: str = "#ffffff"
    support_url: str | None = None
    support_address: str | None = None
    privacy_url: str | None = None
    terms_url: str | None = None
    imprint_url: str | None = None
    language: str = "en"
    templates: Path | None = None  # a folder with texts (`nl.toml`) and layouts (`base.html.j2`) of the operator
    templates_only: bool = False  # the shipped texts are not used: a mail missing in `templates` is not sent
    code_in_subject: bool | frozenset[str] = False  # for all mails with a code, for none, or for those named

    @property
    def languages(self) -> frozenset[str]:
        """The two-letter languages this brand has texts in."""
        return self.own_languages if self.templates_only else self.own_languages | set(LANGUAGES)

    @property
    def own_languages(self) -> frozenset[str]:
        """The languages in which the operator has written something."""
        files = self.templates.glob("*.toml") if self.templates else ()
        return frozenset(file.stem for file in files if _LANGUAGE.fullmatch(file.stem))


@dataclass(frozen=True, slots=True)
class Brands:
    """The default brand and those that serve an origin of their own."""

    default: Brand
    by_origin: Mapping[str, Brand]

    def find(self, origin: str | None) -> Brand:
        """The brand of the origin; of an unknown or absent one, the default brand."""
        return self.by_origin.get(origin or "", self.default)

    def __iter__(self) -> Iterator[Brand]:
        yield self.default
        yield from self.by_origin.values()


def load_brands(path: Path | None, default_sender: str, public_url: str) -> Brands:
    """Read the brands' file; without one there is a single plain brand. Raises `BrandError`."""
    plain = _plain(default_sender, public_url)
    if path is None:
        return Brands(plain, {})
    document = _read(path)
    _known(document, {"default", "brands"}, f"{path}")
    default = _brand("", document.get("default", {}), plain, path)
    tables = _table(document.get("brands", {}), f"{path}, [brands]")
    for key in tables:
        _key(key, path)
    brands = {key: _brand(key, table, default, path) for key, table in tables.items()}
    return Brands(default, {key: _own_page(brand, plain.invitation_url) for key, brand in brands.items()})


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of an error line about an unknown name: the known one that is closest, or all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"known are {', '.join(names)}"


def contrast(one: str, other: str) -> float:
    """The WCAG contrast ratio of two `#rrggbb` colours, 1 to 21."""
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def readable(colour: str, ground: str) -> str:
    """The colour that is nearest to this one and can be read on that one: of its hue, but darker or lighter."""
    end = max(_DARK_AND_LIGHT, key=lambda each: contrast(each, ground))
    shades = (_shade(colour, _DARK_AND_LIGHT[end], step / _STEPS) for step in range(_STEPS + 1))
    return next(each for each in shades if contrast(each, ground) >= MINIMUM_CONTRAST)


def _shade(colour: str, end: float, share: float) -> str:
    """The colour with its lightness so far on the way to that one, 0 to 1."""
    hue, lightness, saturation = colorsys.rgb_to_hls(*(int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)))
    channels = colorsys.hls_to_rgb(hue, lightness + (end - lightness) * share, saturation)
    return "#" + "".join(f"{round(channel * 255):02x}" for channel in channels)


def _plain(sender: str, public_url: str) -> Brand:
    home_url = _url(public_url, "the public URL")
    name = _host_name(home_url)
    return Brand(
        "", name, _address(sender, "the mail sender"), name, home_url, f"{home_url.rstrip('/')}{INVITATION_PAGE}"
    )


def _own_page(brand: Brand, url: str) -> Brand:
    """The brand, whose invitations lead to Doorward's own page in its looks, unless they lead elsewhere."""
    if brand.invitation_url != url:
        return brand
    return replace(brand, invitation_url=f"{url}?{urlencode({'origin': brand.key})}")


def _host_name(url: str) -> str:
    """What to call a service that has no name: its host, or Doorward where that tells nothing."""
    host = urlsplit(url).hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return "Doorward" if "." not in host else host
    return "Doorward"


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BrandError(f"{path}: cannot be read ({error.strerror}); set the path to a readable file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BrandError(f"{path}: is not valid TOML ({' '.join(str(error).split())}); mend that line") from error


def _brand(key: str, table: object, base: Brand, path: Path) -> Brand:
    where = f"{path}, [{f'brands.{key}' if key else 'default'}]"
    given = _table(table, where)
    _known(given, _CHECKS, where)
    values = {name: _value(name, value, where) for name, value in given.items()}
    if "name" in values:
        values.setdefault("sender_name", values["name"])
    if values.get("templates"):
        values["templates"] = _folder(path.parent / values["templates"], where)
    if values.get("logo"):
        values["logo"] = _logo(path.parent / values["logo"], where)
    brand = replace(base, key=key, **values)
    _whole(brand, where)
    return brand


def _value(name: str, value: object, where: str) -> Any:
    if value == "" and name in _CLEARABLE:
        return None
    return _CHECKS[name](value, f"{where} {name}")


def _whole(brand: Brand, where: str) -> None:
    """What no key can tell by itself."""
    ratio = contrast(brand.accent, brand.accent_text)
    if ratio < MINIMUM_CONTRAST:
        raise BrandError(
            f"{where} accent {brand.accent!r} and accent_text {brand.accent_text!r} "
            f"have a contrast of {ratio:.2f}:1; choose two colours with at least {MINIMUM_CONTRAST}:1"
        )
    if brand.templates_only and brand.templates is None:
        raise BrandError(f"{where} templates_only is true without templates; set templates to a folder with texts")
    if brand.language not in brand.languages:
        raise BrandError(
            f"{where} language {brand.language!r} has no texts; "
            f"choose one of {', '.join(sorted(brand.languages))}, "
            f"or add {brand.language}.toml to the templates folder"
        )


def _table(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BrandError(f"{where} must be a table, not {value!r}")
    return value


def _known(table: Iterable[str], known: Iterable[str], where: str) -> None:
    for name in table:
        if name not in set(known):
            raise BrandError(f"{where} has an unknown key {name!r}; {nearest(name, known)}")


def _key(key: str, path: Path) -> None:
    if not key or key != key.strip() or _has_control(key):
        raise BrandError(f"{path}: the brand name {key!r} is empty or has blanks or line breaks at its ends; rename it")


def _has_control(text: str) -> bool:
    """Line breaks and anything else that is not to be seen: control, format and separator characters."""
    return any(unicodedata.category(char) in UNSEEN for char in text)


def _line(value: object, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise BrandError(f"{where} must be a text that is not empty, not {value!r}")
    if _has_control(value):
        raise BrandError(f"{where} {value!r} holds a line break or an invisible character; take it out")
    return value.strip()


def _name(value: object, where: str) -> str:
    name = _line(value, where)
    if len(name) > MAXIMUM_NAME:
        raise BrandError(f"{where} {name!r} has {len(name)} characters; shorten it to {MAXIMUM_NAME} at most")
    return name


def _address(value: object, where: str) -> str:
    address = _line(value, where)
    local, _, domain = address.rpartition("@")
    domain = ascii_domain(domain)
    if not _LOCAL.fullmatch(local) or not _DOMAIN.fullmatch(domain):
        raise BrandError(f"{where} {address!r} is not an address; write it like no-reply@example.org")
    return f"{local}@{domain}"


def _url(value: object, where: str) -> str:
    url = _line(value, where)
    try:
        parts = urlsplit(url)
        sound = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or _NOT_IN_URL.search(url):
        raise BrandError(f"{where} {url!r} is not a web address; write it like https://example.org/help")
    return url


def _colour(value: object, where: str) -> str:
    if not isinstance(value, str) or not _COLOUR.fullmatch(value):
        raise BrandError(f"{where} {value!r} is not a colour; write it as #rrggbb")
    return value.lower()


def _language_code(value: object, where: str) -> str:
    if not isinstance(value, str) or not _LANGUAGE.fullmatch(value):
        raise BrandError(f"{where} {value!r} is not a language; write two lower-case letters, like en")
    return value


def _flag(value: object, where: str) -> bool:
    if not isinstance(value, bool):
        raise BrandError(f"{where} must be true or false, not {value!r}")
    return value


def _purposes(value: object, where: str) -> bool | frozenset[str]:
    if isinstance(value, list):
        return frozenset(_line(item, where) for item in value)
    return _flag(value, where)


def _folder(folder: Path, where: str) -> Path:
    if not folder.is_dir():
        raise BrandError(f"{where} templates {str(folder)!r} is not a folder; make it or mend the path")
    return folder


def _logo(file: Path, where: str) -> Logo:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise BrandError(f"{where} logo {str(file)!r} cannot be read ({error.strerror}); mend the path") from error
    if len(content) > LARGEST_LOGO:
        raise BrandError(f"{where} logo has {len(content)} bytes; make it {LARGEST_LOGO} at most")
    for content_type, sign in _PICTURES.items():
        if sign.match(content):
            return Logo(content, content_type)
    raise BrandError(f"{where} logo {str(file)!r} is no picture that pages can show; make it SVG, PNG or WebP")


def _luminance(colour: str) -> float:
    """WCAG relative luminance, 0 to 1."""
    red, green, blue = (_linear(int(colour[at : at + 2], 16) / 255) for at in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= _SRGB_KNEE else ((channel + 0.055) / 1.055) ** 2.4


_SRGB_KNEE = 0.04045
_DARK_AND_LIGHT = {"#000000": 0.0, "#ffffff": 1.0}
_STEPS = 40
_LANGUAGE = re.compile(r"[a-z]{2}")
_COLOUR = re.compile(r"#[0-9A-Fa-f]{6}")
_NOT_IN_URL = re.compile(r"""[\s"'<>\\^`{|}]""")
_LOCAL = re.compile(r"(?=.{1,64}$)[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_DOMAIN = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
_CLEARABLE = frozenset(
    {"reply_to", "logo_url", "logo", "support_url", "support_address", "privacy_url", "terms_url", "imprint_url"}
    | {"templates"}
)
_PICTURES = {
    "image/png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "image/webp": re.compile(rb"RIFF....WEBP", re.DOTALL),
    "image/svg+xml": re.compile(rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<svg[\s>]", re.DOTALL),
}
"""By content type: how such a file begins."""
_CHECKS: dict[str, Callable[[object, str], Any]] = {
    "name": _name,
    "sender": _address,
    "sender_name": _name,
    "reply_to": _address,
    "logo_url": _url,
    "logo": _line,
    "accent": _colour,
    "accent_text": _colour,
    "home_url": _url,
    "invitation_url": _url,
    "support_url": _url,
    "support_address": _address,
    "privacy_url": _url,
    "terms_url": _url,
    "imprint_url": _url,
    "language": _language_code,
    "templates": _line,
    "templates_only": _flag,
    "code_in_subject": _purposes,
}
