"""`--reason`, of every command that acts."""

import argparse

from doorward.administration.reasons import LONGEST_REASON, one_line
from doorward.audit import BY_COMMAND, COMMAND_LINE, By
from doorward.cli.parser import text


def add_reason(parser: argparse.ArgumentParser, *, required: bool = False) -> None:
    """`args.by` is then who acts, and why."""
    help_text = "why, in one line, for administrators to read with the event"
    parser.add_argument(
        "--reason", type=_by, default=BY_COMMAND, dest="by", metavar="WORDS", help=help_text, required=required
    )


def _by(value: str) -> By:
    """A type of argument."""
    reason = one_line(text(value))
    if reason is None:
        raise argparse.ArgumentTypeError(f"is not 1 to {LONGEST_REASON} characters in one line")
    return By(COMMAND_LINE, reason)
