"""`doorward check`: loads all that a start would, changes nothing, and says what is wrong and how to mend it."""

import argparse
import itertools
from dataclasses import asdict

from doorward.cli.checks import all_points
from doorward.cli.checks_url import url_points
from doorward.cli.failure import Failure
from doorward.cli.output import print_json
from doorward.cli.parser import Parser, url
from doorward.cli.point import Point
from doorward.settings import Settings

MARKS = {"ok": "OK     ", "warning": "WARNING", "failed": "FAILED "}
EXAMPLES = """
    doorward check --config /etc/doorward.toml
    doorward check --url https://auth.example.org
"""


def arguments(parser: Parser) -> None:
    parser.add_argument("--url", type=url, help="make real requests there too, to see what the proxy makes of them")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.show_examples(EXAMPLES)
    parser.set_defaults(run=check)


def check(settings: Settings, args: argparse.Namespace) -> None:
    """Raises Failure when something has to be mended; warnings are only told."""
    failed = 0
    asked = url_points(settings, args.url) if args.url else ()
    for point in itertools.chain(all_points(settings), asked):
        failed += point.state == "failed"
        if args.json:
            print_json(asdict(point))
        else:
            _print(point)
    if failed:
        raise Failure(f"{failed} to mend, see FAILED above")


def _print(point: Point) -> None:
    print(f"{MARKS[point.state]}  {point.name}: {point.found}", flush=True)
    if point.mend:
        print(f"         -> {point.mend}", flush=True)
