"""`doorward`: reads the arguments and the settings, and calls the command."""

import argparse
import sys
from pathlib import Path

from doorward import __version__
from doorward.cli import serve
from doorward.cli.failure import Failure
from doorward.core.errors import DatabaseUnavailable
from doorward.settings import SettingsError, load

DONE, FAILED, WRONG_USAGE = 0, 1, 2


def main(argv: list[str] | None = None) -> int:
    """Run a command. Exit codes: 0 done, 1 refused or failed, 2 wrong usage or a wrong setting."""
    args = _parser().parse_args(argv)
    try:
        args.run(load(config=args.config), args)
    except SettingsError as error:
        return _fail(str(error), WRONG_USAGE)
    except DatabaseUnavailable:
        return _fail("the database can't be reached: check DOORWARD_DATABASE_URL and that it runs", FAILED)
    except Failure as error:
        return _fail(str(error), FAILED)
    except KeyboardInterrupt:
        return FAILED
    return DONE


def _fail(line: str, code: int) -> int:
    print(f"doorward: {line}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="doorward", description="A self-hosted authentication service.")
    parser.add_argument("--version", action="version", version=f"doorward {__version__}")
    parser.add_argument("--config", type=Path, help="TOML file of settings")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("serve", help="run the service")
    command.add_argument("--host", default="127.0.0.1")
    command.add_argument("--port", type=int, default=8000)
    command.add_argument("--workers", type=int, default=1)
    command.set_defaults(run=serve.serve)
    command = commands.add_parser("worker", help="send mails, without serving")
    command.set_defaults(run=serve.work)
    return parser


if __name__ == "__main__":
    sys.exit(main())
