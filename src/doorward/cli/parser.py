"""How the command line reads its arguments: errors of one line, the nearest name for an unknown one."""

import argparse
import difflib
import importlib
import textwrap
from pathlib import Path
from typing import Any, NoReturn

WRONG_USAGE = 2
LARGEST_ID = 2**63 - 1
LARGEST_PORT = 65_535


class Parser(argparse.ArgumentParser):
    """A command. With `module`, that is imported and adds the arguments once the command was chosen.

    `examples` are shown below the help, one a line. `--config` may stand behind any command.
    """

    def __init__(self, *, examples: str = "", module: str = "", **options: Any) -> None:
        epilog = f"examples:\n{textwrap.indent(textwrap.dedent(examples).strip(), '  ')}" if examples else None
        form = argparse.RawDescriptionHelpFormatter
        super().__init__(epilog=epilog, formatter_class=form, allow_abbrev=False, **options)
        self.add_argument("--config", type=Path, default=argparse.SUPPRESS, help="TOML file of settings")
        self._module = module

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        if self._module:
            importlib.import_module(self._module).arguments(self)
            self._module = ""
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        self.exit(WRONG_USAGE, f"{self.prog}: {message}: `{self.prog} --help` shows how\n")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        choices = list(action.choices or ())
        if action.choices is None or value in choices:
            return
        near = difflib.get_close_matches(str(value), [str(choice) for choice in choices], n=1)
        hint = f"did you mean `{near[0]}`?" if near else f"there are {', '.join(map(str, choices))}"
        what = "command" if isinstance(action, argparse._SubParsersAction) else "choice"  # noqa: SLF001
        raise argparse.ArgumentError(None, f"unknown {what} `{value}`, {hint}")


def text(value: str) -> str:
    """A type of argument: any text. What the terminal sent in another encoding is wrong usage."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError("is not valid UTF-8") from None
    return value


def port(value: str) -> int:
    return _number(value, 1, LARGEST_PORT)


def positive(value: str) -> int:
    return _number(value, 1, LARGEST_ID)


def user_id(value: str) -> int:
    return _number(value, 0, LARGEST_ID)


def _number(value: str, least: int, most: int) -> int:
    if not value.isascii() or not value.isdigit() or not least <= int(value[:20]) <= most:
        raise argparse.ArgumentTypeError(f"`{value}` is not a whole number from {least} to {most}")
    return int(value)
