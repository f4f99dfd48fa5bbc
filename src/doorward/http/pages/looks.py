"""The templates, and the files beside them: one style sheet, one script, one icon."""

import hashlib
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jinja2
from markupsafe import Markup, escape

from doorward.core.clock import SECOND, iso
from doorward.http.pages.refusals import duration
from doorward.i18n import NAMES, translations
from doorward.i18n.dates import moment
from doorward.i18n.templates import install
from doorward.mail.brands import Brand, contrast, readable

HERE = Path(__file__).parent.parent
ASSETS = {
    "pages.css": "text/css; charset=utf-8",
    "console.css": "text/css; charset=utf-8",
    "pages.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
MINIMUM_EDGE = 3.0  # WCAG 2.2, 1.4.11
LIGHTEST, DARKEST, DARK_INK = "#f3f5f8", "#191f27", "#0b1a2a"
"""Of the style sheet: what links stand on, light and dark, and what stands on a bright button."""
OWN_COLOURS = tuple(Brand.__dataclass_fields__[name].default for name in ("accent", "accent_text"))


def asset(name: str) -> bytes:
    return (HERE / "static" / name).read_bytes()


@cache
def asset_url(name: str) -> str:
    """Where the file is; another address for another content, so that browsers may keep it for ever."""
    return f"/account/assets/{name}?v={_version(asset(name))}"


def colours(brand: Brand) -> bytes:
    """The brand's colours as a style sheet; their contrast with each other was checked when the brand was loaded.

    Links are the accent, as far from the page as reading takes. Where the dark theme would swallow a button, it has
    their colour, too.
    """
    accent, ink = brand.accent, brand.accent_text
    light, dark = readable(accent, LIGHTEST), readable(accent, DARKEST)
    swallowed = contrast(accent, DARKEST) < MINIMUM_EDGE
    on_dark = (dark, DARK_INK) if swallowed else (accent, ink)
    return (
        f"{_root(accent, ink, light)}\n@media (prefers-color-scheme: dark) {{ {_root(*on_dark, dark)} }}\n"
    ).encode()


def _root(accent: str, ink: str, link: str) -> str:
    return f":root {{ --accent: {accent}; --accent-ink: {ink}; --accent-over: {accent}; --link: {link}; }}"


def logo_url(brand: Brand) -> str:
    """Where the brand's own logo is; another address for another picture."""
    if brand.logo is None:
        raise ValueError("the brand has no logo of its own")
    return f"/account/logo?{urlencode({'origin': brand.key, 'v': _version(brand.logo.content)})}"


def colours_url(brand: Brand) -> str:
    """Where they are; another address for other colours. Empty where they are the style sheet's own."""
    if (brand.accent, brand.accent_text) == OWN_COLOURS:
        return ""
    return f"/account/colours.css?{urlencode({'origin': brand.key, 'v': _version(colours(brand))})}"


def render(template: str, values: dict[str, Any]) -> bytes:
    """The page; `values` has at least `language`."""
    return _environment().get_template(f"{template}.html.j2").render(values).encode()


def _version(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    install(environment)
    environment.globals |= {
        "asset": asset_url,
        "language_names": NAMES,
        "when": _when,
        "colours": colours_url,
        "duration": _duration,
    }
    environment.filters |= {"grouped": grouped, "counted": counted, "with_moment": _with_moment}
    return environment


@jinja2.pass_context
def _when(context: jinja2.runtime.Context, at_ms: int, *, seconds: bool = False) -> Markup:
    """A moment (milliseconds) to the minute or the second, which the script turns into the reader's own time."""
    at = datetime.fromtimestamp(at_ms / SECOND, UTC)
    exact = Markup(" data-seconds") if seconds else ""
    text = moment(at, context["language"], seconds=seconds)
    return Markup('<time datetime="{}"{}>{}</time>').format(iso(at_ms), exact, text)


@jinja2.pass_context
def _with_moment(context: jinja2.runtime.Context, text: str, at_ms: int | None) -> Markup:
    """The sentence, with the moment (milliseconds) where it says `{at}`."""
    return escape(text).replace("{at}", "" if at_ms is None else _when(context, at_ms))


@jinja2.pass_context
def _duration(context: jinja2.runtime.Context, seconds: int) -> str:
    return duration(seconds, translations(context["language"]))


def counted(number: int) -> str:
    """A number with its thousands apart, by the narrow blank that every language reads (ISO 80000-1)."""
    return f"{number:,}".replace(",", "\u202f")


def grouped(code: str) -> str:
    """A long code in groups of four, as people read and type it."""
    return "-".join(code[at : at + 4] for at in range(0, len(code), 4))
