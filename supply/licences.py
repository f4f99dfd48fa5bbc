"""Under which licence each package is, and which licences are welcome."""

from importlib.metadata import metadata
from typing import Any

from license_expression import (  # type: ignore[import-untyped]
    ExpressionError,
    ParseError,
    get_spdx_licensing,
)

WELCOME = frozenset(
    {"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "PSF-2.0"},
)
"""Ask for no more than that their text is kept."""

WELCOME_FOR = {
    "LGPL-3.0-only": frozenset({"psycopg", "psycopg-binary"}),  # used as it is, and can be replaced
    "MPL-2.0": frozenset({"certifi"}),  # a file of certificates, used as it is
}
WELCOME_IN_TOOLS = frozenset({"MPL-2.0"})
"""Never handed on with the service."""

READ = {
    "axe-playwright-python": "MIT",
    "defusedxml": "PSF-2.0",
    "jinja2": "BSD-3-Clause",
    "pathspec": "MPL-2.0",
    "segno": "BSD-3-Clause",
}
"""Read from their licence files, since their metadata names none, or not which of its kind."""

_SPDX = get_spdx_licensing()
_WORDS = {
    "Apache 2.0": "Apache-2.0",
    "3-Clause BSD License": "BSD-3-Clause",
    "BSD 2-Clause License": "BSD-2-Clause",
    "MIT License": "MIT",
    "MIT license": "MIT",
}
_CLASSIFIERS = {
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: ISC License (ISCL)": "ISC",
    "License :: OSI Approved :: MIT License": "MIT",
}


def licence_of(package: str) -> str:
    """The SPDX expression of an installed package. Raises LookupError, PackageNotFoundError."""
    said = metadata(package)
    if package in READ:
        return READ[package]
    for words in [*said.get_all("License-Expression", []), *said.get_all("License", [])]:
        expression = _WORDS.get(str(words), str(words))
        if _is_expression(expression):
            return expression
    for classifier in said.get_all("Classifier", []):
        if classifier in _CLASSIFIERS:
            return _CLASSIFIERS[classifier]
    raise LookupError(f"{package}: its metadata names no licence; read it, and add it to READ")


def is_welcome(package: str, expression: str, *, in_tools: bool = False) -> bool:
    """Whether the package may be used under what its licence asks; `in_tools`, where it is not handed on."""
    special = {each for each, packages in WELCOME_FOR.items() if package in packages}
    return _satisfies(_SPDX.parse(expression), WELCOME | special | (WELCOME_IN_TOOLS if in_tools else frozenset()))


def _is_expression(words: str) -> bool:
    try:
        return _SPDX.parse(words, validate=True) is not None
    except (ExpressionError, ParseError):
        return False


def _satisfies(parsed: Any, welcome: frozenset[str]) -> bool:
    if isinstance(parsed, _SPDX.OR):
        return any(_satisfies(each, welcome) for each in parsed.args)
    if isinstance(parsed, _SPDX.AND):
        return all(_satisfies(each, welcome) for each in parsed.args)
    return str(parsed) in welcome
