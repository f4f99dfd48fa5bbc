"""Settings are read once, from a TOML file, credentials and variables."""

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from doorward.settings.checks import check
from doorward.settings.declared import FIELDS, PREFIX, TYPES, Settings, SettingsError

CONFIG_VARIABLE = PREFIX + "CONFIG"
CREDENTIALS_VARIABLE = "CREDENTIALS_DIRECTORY"
CREDENTIAL_PREFIX = "doorward."


def load(
    environ: Mapping[str, str] | None = None,
    config: Path | None = None,
    defaults: Mapping[str, str] | None = None,
) -> Settings:
    """Read the TOML file (`config`, else `DOORWARD_CONFIG`), and the credentials and variables, which win over it.

    `defaults` take the place of the settings' own.
    Raises SettingsError at the first setting that is unknown, of the wrong type or out of bounds.
    """
    environ = os.environ if environ is None else environ
    if config is None and environ.get(CONFIG_VARIABLE):
        config = Path(environ[CONFIG_VARIABLE])
    values: dict[str, Any] = dict(defaults or {})
    values |= _from_file(config) if config else {}
    values |= _from_credentials(environ)
    values |= _from_environment(environ)
    settings = Settings(**{name: _convert(name, value) for name, value in values.items()})
    check(settings)
    return settings


def _from_file(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: can't be read ({error.strerror}): check the path") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not valid TOML: {error}: a text stands in quotes") from error
    for name in values:
        _known(name, str(path))
    return values


def _from_credentials(environ: Mapping[str, str]) -> dict[str, Any]:
    """Settings that systemd hands over as files (systemd.exec(5), `LoadCredential=`), such as `doorward.secret_key`."""
    folder = environ.get(CREDENTIALS_VARIABLE, "")
    values: dict[str, Any] = {}
    for path in _credentials(folder) if folder else ():
        name = _known(path.name.removeprefix(CREDENTIAL_PREFIX), folder)
        for variable in (f"{PREFIX}{name.upper()}", f"{PREFIX}{name.upper()}_FILE"):
            if variable in environ:
                raise SettingsError(f"{path}: {variable} is set too: keep one of the two")
        values[name] = _secret_file(path.name, str(path))
    return values


def _credentials(folder: str) -> list[Path]:
    try:
        return sorted(path for path in Path(folder).iterdir() if path.name.startswith(CREDENTIAL_PREFIX))
    except OSError as error:
        # A key of our own would be made in place of the one in there.
        raise SettingsError(
            f"{CREDENTIALS_VARIABLE}: {folder}: {error.strerror}: systemd could not hand its files over"
        ) from error


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for variable, value in environ.items():
        if not variable.startswith(PREFIX) or variable == CONFIG_VARIABLE:
            continue
        name = variable.removeprefix(PREFIX).lower()
        from_file = name.endswith("_file") and name not in FIELDS
        name = _known(name.removesuffix("_file") if from_file else name, variable)
        if from_file and variable.removesuffix("_FILE") in environ:
            raise SettingsError(f"{variable}: {variable.removesuffix('_FILE')} is set too: keep one of the two")
        values[name] = _secret_file(variable, value) if from_file else value
    return values


def _secret_file(variable: str, path: str) -> str:
    try:
        secret = Path(path).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{variable}: {path} can't be read: check the path and its mode") from error
    if not secret:
        # Whoever hands over a file means something by it: an empty one was cut off, or never written.
        raise SettingsError(f"{variable}: {path} is empty: write it anew, or leave it out")
    return secret


def _known(name: str, where: str) -> str:
    if name in FIELDS:
        return name
    near = difflib.get_close_matches(name, FIELDS, n=1)
    hint = f"did you mean `{near[0]}`?" if near else "`doorward settings --reference` lists all"
    raise SettingsError(f"{where}: unknown setting `{name}`: {hint}")


def _convert(name: str, value: Any) -> Any:
    kind = TYPES[name]
    try:
        converted = _as(kind, value)
    except (ValueError, TypeError) as error:
        given = "its value" if FIELDS[name].metadata.get("secret") else repr(value)
        raise SettingsError(f"`{name}`: {given} is not {_kind_name(kind)}") from error
    metadata = FIELDS[name].metadata
    if "choices" in metadata and converted not in metadata["choices"]:
        raise SettingsError(f"`{name}`: {value!r} is not one of {', '.join(metadata['choices'])}")
    if "minimum" in metadata and converted < metadata["minimum"]:
        raise SettingsError(f"`{name}`: {value} is below the least allowed, {metadata['minimum']}")
    if "maximum" in metadata and converted > metadata["maximum"]:
        raise SettingsError(f"`{name}`: {value} is above the most allowed, {metadata['maximum']}")
    return converted


def _as(kind: Any, value: Any) -> Any:
    if kind is bool:
        return value if isinstance(value, bool) else _boolean(value)
    if kind is int:
        if isinstance(value, bool | float):
            raise TypeError
        return int(value)
    if kind == tuple[str, ...]:
        # A file holds one a line.
        parts = value.replace("\n", ",").split(",") if isinstance(value, str) else value
        return tuple(str(part).strip() for part in parts if str(part).strip())
    if not isinstance(value, str):
        raise TypeError
    if kind is Path or Path in get_args(kind):
        return Path(value).expanduser() if value else None
    return value


def _boolean(value: str) -> bool:
    words = {
        "true": True,
        "1": True,
        "yes": True,
        "on": True,
        "false": False,
        "0": False,
        "no": False,
        "off": False,
    }
    try:
        return words[value.strip().lower()]
    except KeyError:
        raise ValueError(value) from None


def _kind_name(kind: Any) -> str:
    return {bool: "true or false", int: "a whole number", str: "a text"}.get(kind, "a list or a path")
