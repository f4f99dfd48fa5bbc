"""`doorward passwords`: lists of passwords that nobody may choose."""

import argparse
from pathlib import Path

from doorward.cli.parser import Parser, text
from doorward.passwords.filter import build
from doorward.settings import Settings


def arguments(parser: Parser) -> None:
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands", parser_class=Parser)
    command = commands.add_parser(
        "build-filter",
        help="make a filter for the setting `password_filter` from a list",
        examples="doorward passwords build-filter passwords.txt passwords.filter",
    )
    command.add_argument(
        "list", type=text, metavar="LIST", help="passwords, or SHA-1 digests (HEX or HEX:COUNT), one a line"
    )
    command.add_argument("file", type=text, metavar="FILE", help="the filter to make or replace")
    command.set_defaults(run=build_filter)


def build_filter(_settings: Settings, args: argparse.Namespace) -> None:
    """Raises FilterError, OSError."""
    target = Path(args.file)
    with Path(args.list).open("rb") as lines:
        count = build(lines, target)
    print(f"{target} holds {count:,} passwords in {target.stat().st_size:,} bytes: set DOORWARD_PASSWORD_FILTER to it")
