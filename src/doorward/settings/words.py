"""Settings in words: those in force, and the table of all."""

from dataclasses import MISSING, Field
from typing import Any
from urllib.parse import urlsplit

from doorward.settings.declared import FIELDS, PREFIX, Settings

HIDDEN = "(hidden)"


def shown(settings: Settings) -> dict[str, str]:
    """Every setting in force as text, secrets hidden."""
    return {name: _shown(each, getattr(settings, name)) for name, each in FIELDS.items()}


def reference() -> str:
    """The table of all settings in Markdown, as `docs/settings.md` holds it."""
    rows = ["| setting | variable | default | what it does |", "| --- | --- | --- | --- |"]
    for name, each in FIELDS.items():
        default = each.default_factory() if each.default_factory is not MISSING else each.default
        choices = (
            f" One of {', '.join(f'`{c}`' for c in each.metadata['choices'])}." if "choices" in each.metadata else ""
        )
        rows.append(
            f"| `{name}` | `{PREFIX}{name.upper()}` | {f'`{_text(default)}`' if _text(default) else ''} "
            f"| {each.metadata['help']}{choices} |"
        )
    return "\n".join(rows)


def _shown(setting: Field[Any], value: Any) -> str:
    if not setting.metadata.get("secret") or not value:
        return _text(value)
    return _without_password(value) if setting.name.endswith("_url") else HIDDEN


def _without_password(url: str) -> str:
    """The URL without what may be secret: the password, and parameters."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    name, colon, _ = user.partition(":")
    query = f"?{HIDDEN}" if parts.query else ""
    return f"{parts.scheme}://{name}{colon}{HIDDEN if colon else ''}{at}{host}{parts.path}{query}"


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, tuple) else str(value)
