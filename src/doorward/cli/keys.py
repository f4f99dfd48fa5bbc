"""`doorward keys`: the signing keys."""

import argparse

import msgspec

from doorward.accounts.flows import end_every_session
from doorward.administration import shown, signing
from doorward.cli.environment import opened
from doorward.cli.failure import Failure
from doorward.cli.output import print_json, print_table
from doorward.cli.parser import Parser, text
from doorward.cli.reasons import add_reason
from doorward.core.clock import MINUTE, SECOND, iso
from doorward.reseal import reseal
from doorward.settings import Settings
from doorward.tokens.keyring import LONGEST_TOKEN, RELOAD_EVERY


def arguments(parser: Parser) -> None:
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands", parser_class=Parser)
    command = commands.add_parser("list", help="the keys that are published", examples="doorward keys list --json")
    command.add_argument("--json", action="store_true", help="one JSON object a line")
    command.set_defaults(run=list_keys)
    command = commands.add_parser("rotate", help="make a new key, which signs soon", examples="doorward keys rotate")
    add_reason(command)
    command.set_defaults(run=rotate)
    command = commands.add_parser(
        "revoke", help="refuse at once all that a key has signed", examples="doorward keys revoke KID --end-sessions"
    )
    command.add_argument("kid", type=text, metavar="KID", help="as `doorward keys list` shows it")
    command.add_argument(
        "--end-sessions", action="store_true", help="end every session, as the key's thief may hold some"
    )
    add_reason(command)
    command.set_defaults(run=revoke)

    command = commands.add_parser(
        "reseal", help="encrypt with the present secret key what former ones did", examples="doorward keys reseal"
    )
    command.set_defaults(run=reseal_all)


def list_keys(settings: Settings, args: argparse.Namespace) -> None:
    with opened(settings) as env:
        keys = [shown.signing_key(key) for key in signing.published(env)]
    if args.json:
        for key in keys:
            print_json(key)
    else:
        print_table([msgspec.to_builtins(key) for key in keys])


def rotate(settings: Settings, args: argparse.Namespace) -> None:
    with opened(settings) as env:
        key = signing.rotate(env, args.by)
        minutes = -(-(key.signs_from - env.clock.now_ms()) // MINUTE)
    print(
        f"Key {key.kid} ({key.pair.algorithm}) is published now and signs from {iso(key.signs_from)}, "
        f"in {minutes} minutes; what the former key has signed stays good until it expires, "
        f"{LONGEST_TOKEN // MINUTE // 1440} days after that at most"
    )


def revoke(settings: Settings, args: argparse.Namespace) -> None:
    """Raises NoSuchKey."""
    with opened(settings) as env:
        key = signing.revoke(env, args.kid, args.by)
        ended = end_every_session(env) if args.end_sessions else None
    print(
        f"Key {args.kid} is revoked and {key.kid} signs now; every server refuses what it signed within "
        f"{RELOAD_EVERY // SECOND} s, services that verify by themselves once they fetch the keys again"
    )
    if ended is not None:
        print(f"{ended} sessions ended: everybody logs in again")


def reseal_all(settings: Settings, _args: argparse.Namespace) -> None:
    """Raises Failure when there are values that no key opens."""
    with opened(settings) as env:
        result = reseal(env.db, env.vault)
    print(f"{result.done} values are sealed anew")
    if result.unopened:
        raise Failure(
            f"{result.unopened} values can't be opened by any secret key and stay as they are: name the one that "
            "sealed them in DOORWARD_PREVIOUS_SECRET_KEYS"
        )
    if settings.previous_secret_keys:
        print("Nothing needs DOORWARD_PREVIOUS_SECRET_KEYS any more, once every server has the present secret key")
