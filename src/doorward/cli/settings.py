"""`doorward settings`: what is in force, and all that can be set."""

import argparse
from typing import Any

from doorward.cli.output import print_json, print_table
from doorward.cli.parser import Parser
from doorward.settings import Settings, reference, shown


class _Reference(argparse.Action):
    """Prints the table and ends: like `--help`, it needs no settings that can be read."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        print(reference())
        parser.exit()


def arguments(parser: Parser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--reference", action=_Reference, nargs=0, help="the table of all settings, in Markdown")
    parser.show_examples("doorward settings --config /etc/doorward.toml")
    parser.set_defaults(run=show)


def show(settings: Settings, args: argparse.Namespace) -> None:
    """Every setting in force, secrets hidden."""
    values = shown(settings)
    if args.json:
        print_json(values)
    else:
        print_table([{"setting": name, "value": value} for name, value in values.items()], heading=False)
