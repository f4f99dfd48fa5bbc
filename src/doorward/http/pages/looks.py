"""The templates, and the files beside them: one style sheet, one script, one icon."""

import hashlib
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jinja2
from markupsafe import Markup

from doorward.core.clock import SECOND, iso
from doorward.http.pages.refusals import duration
from doorward.i18n import NAMES, translations
from doorward.i18n.dates import moment
from doorward.i18n.templates import install
from doorward.mail.brands import Brand

HERE = Path(__file__).parent.parent
ASSETS = {
    "pages.css": "text/css; charset=utf-8",
    "pages.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
OWN_COLOURS = tuple(Brand.__dataclass_fields__[name].default for name in ("accent", "accent_text"))


def asset(name: str) -> bytes:
    return (HERE / "static" / name).read_bytes()


@cache
def asset_url(name: str) -> str:
    """Where the file is; another address for another content, so that browsers may keep it for ever."""
    return f"/account/assets/{name}?v={hashlib.sha256(asset(name)).hexdigest()[:12]}"


def colours(brand: Brand) -> bytes:
    """The brand's colours as a style sheet; their contrast was checked when the brand was loaded."""
    accent, ink = brand.accent, brand.accent_text
    return f":root {{ --accent: {accent}; --accent-ink: {ink}; --accent-over: {accent}; }}\n".encode()


def colours_url(brand: Brand) -> str:
    """Where they are: the address names the brand and its colours. Empty where they are the style sheet's own."""
    if (brand.accent, brand.accent_text) == OWN_COLOURS:
        return ""
    return f"/account/colours.css?{urlencode({'origin': brand.key, 'v': brand.accent[1:] + brand.accent_text[1:]})}"


def render(template: str, values: dict[str, Any]) -> bytes:
    """The page; `values` has at least `language`."""
    return _environment().get_template(f"{template}.html.j2").render(values).encode()


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
    environment.filters["grouped"] = grouped
    return environment


@jinja2.pass_context
def _when(context: jinja2.runtime.Context, at_ms: int) -> Markup:
    """A moment (milliseconds), which the script turns into the reader's own time."""
    at = datetime.fromtimestamp(at_ms / SECOND, UTC)
    return Markup('<time datetime="{}">{}</time>').format(iso(at_ms), moment(at, context["language"]))


@jinja2.pass_context
def _duration(context: jinja2.runtime.Context, seconds: int) -> str:
    return duration(seconds, translations(context["language"]))


def grouped(code: str) -> str:
    """A long code in groups of four, as people read and type it."""
    return "-".join(code[at : at + 4] for at in range(0, len(code), 4))
