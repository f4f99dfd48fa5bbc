"""How the command line reads its arguments: errors of one line, the nearest name for an unknown one."""

import argparse
import contextlib
import difflib
import importlib
import re
import textwrap
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from doorward.core.clock import DAY, HOUR, MINUTE

WRONG_USAGE = 2
LARGEST_ID = 2**63 - 1
LARGEST_PORT = 65_535
IDENTIFIER = re.compile(r"-[A-Za-z0-9_][A-Za-z0-9_-]{20,}")
"""An id in base64url that begins with a dash, as one of 64 does; options are shorter, or have two dashes."""
SPAN = re.compile(r"([1-9][0-9]{0,4})([dhm])")
UNITS = {"d": DAY, "h": HOUR, "m": MINUTE}


class Parser(argparse.ArgumentParser):
    """A command. With `module`, that is imported and adds the arguments once the command was chosen.

    `examples` are shown below the help, one a line. `--config` may stand behind any command.
    """

    def __init__(self, *, examples: str = "", module: str = "", **options: Any) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **options)
        self.show_examples(examples)
        self.add_argument(
            "--config", type=Path, metavar="FILE", default=argparse.SUPPRESS, help="TOML file of settings"
        )
        self.register("action", "parsers", _Commands)
        self._module = module

    def show_examples(self, examples: str) -> None:
        """Below the help, one a line."""
        self.epilog = f"examples:\n{textwrap.indent(textwrap.dedent(examples).strip(), '  ')}" if examples else None

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        if self._module:
            importlib.import_module(self._module).arguments(self)
            self._module = ""
        return super().parse_known_args(args, namespace)

    def _parse_optional(self, arg_string: str) -> Any:
        return None if IDENTIFIER.fullmatch(arg_string) else super()._parse_optional(arg_string)

    def error(self, message: str) -> NoReturn:
        end = "" if message.endswith("?") else f": `{self.prog} --help` shows how"
        self.exit(WRONG_USAGE, f"{self.prog}: {message}{end}\n")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        choices = list(action.choices or ())
        if action.choices is None or value in choices:
            return
        near = difflib.get_close_matches(str(value), [str(choice) for choice in choices], n=1)
        hint = f"did you mean `{near[0]}`?" if near else f"there are {', '.join(map(str, choices))}"
        what = "command" if isinstance(action, argparse._SubParsersAction) else "choice"  # noqa: SLF001
        raise argparse.ArgumentError(None, f"unknown {what} `{value}`, {hint}")


class _Commands(argparse._SubParsersAction):  # type: ignore[type-arg] # noqa: SLF001 -- argparse has no public one
    """The commands of a parser. Each begins its own help with the line that the list has for it."""

    def add_parser(self, name: str, **options: Any) -> Any:
        summary: str = options["help"]
        return super().add_parser(name, **{"description": f"{summary[0].upper()}{summary[1:]}."} | options)


def text(value: str) -> str:
    """A type of argument: any text. What the terminal sent in another encoding is wrong usage."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError("is not valid UTF-8") from None
    return value


def url(value: str) -> str:
    """A type of argument: an address of the service, without a slash at its end."""
    with contextlib.suppress(ValueError):
        parts = urlsplit(value)
        if parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0:
            return text(value.rstrip("/"))
    raise argparse.ArgumentTypeError(f"`{value}` is not like https://auth.example.org")


def port(value: str) -> int:
    return _number(value, 1, LARGEST_PORT)


def positive(value: str) -> int:
    return _number(value, 1, LARGEST_ID)


def user_id(value: str) -> int:
    return _number(value, 0, LARGEST_ID)


def span(value: str, units: str = "dhm") -> int | None:
    """Milliseconds, for a time like 24h or 7d in one of these units; None for another text."""
    found = SPAN.fullmatch(value)
    return int(found[1]) * UNITS[found[2]] if found and found[2] in units else None


def _number(value: str, least: int, most: int) -> int:
    if not value.isascii() or not value.isdigit() or not least <= int(value[:20]) <= most:
        raise argparse.ArgumentTypeError(f"`{value}` is not a whole number from {least} to {most}")
    return int(value)
