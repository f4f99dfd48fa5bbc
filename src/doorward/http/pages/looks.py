"""The templates, and the files beside them: one style sheet, one script, one icon."""

import hashlib
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from doorward.core.clock import SECOND, iso
from doorward.http.pages.refusals import duration
from doorward.i18n import NAMES, translations
from doorward.i18n.dates import moment
from doorward.i18n.templates import install

HERE = Path(__file__).parent.parent
ASSETS = {
    "pages.css": "text/css; charset=utf-8",
    "pages.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


def asset(name: str) -> bytes:
    return (HERE / "static" / name).read_bytes()


@cache
def asset_url(name: str) -> str:
    """Where the file is; another address for another content, so that browsers may keep it for ever."""
    return f"/account/assets/{name}?v={hashlib.sha256(asset(name)).hexdigest()[:12]}"


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
    environment.globals |= {"asset": asset_url, "language_names": NAMES, "when": _when, "duration": _duration}
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
