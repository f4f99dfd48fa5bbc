"""`doorward`: reads the arguments and the settings, and calls the command.

A command is the module `doorward.cli.NAME`; its `arguments(parser)` adds what it takes and sets `run`, which gets the
settings and the arguments. Only the chosen command's module is imported.
"""

import argparse
import os
import sys

from doorward import __version__
from doorward.cli.parser import Parser
from doorward.cli.signals import end_at_once_as_pid_1

DONE, FAILED = 0, 1
COMMANDS = {
    "serve": "run the service",
    "worker": "send mails, without serving",
    "dev": "run the service for a first look, on this machine only",
    "users": "add, show, change, import and delete users",
    "admin": "who may use the console, and the keys of the administrators' API",
    "events": "what happened, to a user or to all, and whether events were removed or changed",
    "keys": "list, rotate and revoke the signing keys, and reseal what a former secret key sealed",
    "passwords": "make a filter of passwords that nobody may choose",
    "mail": "try the mail out",
    "check": "find what is wrong with an installation, and how to mend it",
    "settings": "show what is set, and all that can be",
    "migrate": "bring the database to this release's schema",
    "backup": "copy the SQLite database while it is in use",
    "restore": "put a copy in the database's place",
}
EXAMPLES = """
    doorward dev
    doorward users create ann@example.org
    doorward check
    doorward serve --workers 2
"""


def main(argv: list[str] | None = None) -> int:
    """Run a command. Exit codes: 0 done, 1 refused or failed, 2 wrong usage or a wrong setting; some add their own."""
    end_at_once_as_pid_1()
    args = _parser().parse_args(argv)
    try:
        _run(args)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return FAILED
    except BrokenPipeError:
        # The reader has seen enough (`| head`). What is left in the buffer must not fail once more at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:
        from doorward.cli.faults import explain  # noqa: PLC0415 -- knows of every part

        fault = explain(error)
        if fault is None:
            raise
        print(f"doorward: {fault.line}", file=sys.stderr)
        return fault.exit_code
    return DONE


def _run(args: argparse.Namespace) -> None:
    from doorward.settings import load  # noqa: PLC0415 -- `--help` does without

    defaults = args.defaults(args) if "defaults" in args else {}
    args.run(load(config=args.config, defaults=defaults), args)


def _parser() -> Parser:
    parser = Parser(prog="doorward", description="A self-hosted authentication service.", examples=EXAMPLES)
    parser.add_argument("--version", action="version", version=f"doorward {__version__}")
    parser.set_defaults(config=None)
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands", parser_class=Parser)
    for name, help_text in COMMANDS.items():
        commands.add_parser(name, help=help_text, module=f"doorward.cli.{name}")
    return parser


if __name__ == "__main__":
    sys.exit(main())
