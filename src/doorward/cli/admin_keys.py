"""`doorward admin keys`: the keys of the administrators' API (docs/admin-api.md)."""

import argparse
from typing import Any

from doorward.administration import keys, shown
from doorward.administration.keys import AdminKey
from doorward.cli.environment import opened, opened_or_made
from doorward.cli.failure import Failure
from doorward.cli.output import print_json, print_table, say_none
from doorward.cli.parser import Parser, span, text
from doorward.cli.reasons import add_reason
from doorward.core.clock import DAY, iso
from doorward.settings import Settings

PROG = "doorward admin keys"


def arguments(parser: Parser) -> None:
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands", parser_class=Parser)
    _add_create(commands)
    command = commands.add_parser("list", help="every key, without its secret", examples=f"{PROG} list --json")
    command.add_argument("--json", action="store_true", help="one JSON object a line")
    command.set_defaults(run=list_keys)
    command = commands.add_parser("revoke", help="make a key good for nothing", examples=f"{PROG} revoke helpdesk")
    command.add_argument("name", type=text, metavar="NAME")
    add_reason(command)
    command.set_defaults(run=revoke)


def _add_create(commands: Any) -> None:
    command = commands.add_parser(
        "create",
        help="make a key and print it, this once",
        examples=f"""
            {PROG} create --name helpdesk --scope users:read --scope users:write --expires 90d
            {PROG} create --name watch --scope events:read --json
        """,
    )
    command.add_argument("--name", type=text, required=True, help="what events call it; never used again")
    command.add_argument(
        "--scope", action="append", required=True, choices=keys.SCOPES, help="what it is good for; once for each"
    )
    command.add_argument(
        "--expires", type=life, default="90d", metavar="TIME", help="when it ends, like 90d or 12h (default: 90d)"
    )
    command.add_argument("--json", action="store_true", help="one JSON object")
    add_reason(command)
    command.set_defaults(run=create)


def life(value: str) -> int:
    """A type of argument: a time from now, in milliseconds."""
    given = span(value, "dh")
    if given is None or given > keys.LONGEST_LIFE:
        longest = keys.LONGEST_LIFE // DAY
        raise argparse.ArgumentTypeError(f"`{value}` is not a time like 90d or 12h, at most {longest}d")
    return given


def create(settings: Settings, args: argparse.Namespace) -> None:
    with opened_or_made(settings) as env:
        try:
            secret = keys.create(env, args.name, tuple(args.scope), args.expires, args.by)
        except ValueError as error:
            raise Failure(str(error)) from error
        with env.db.read() as tx:
            made, now = keys.get(tx, args.name), tx.now
    if args.json:
        print_json(_shown(made, now) | {"key": secret})
    else:
        print(f"Made the key {made.name}, good for {', '.join(made.scopes)} until {iso(made.expires_at)}.")
        print("Keep it where secrets are kept: it is shown this once.")
        print(secret)


def list_keys(settings: Settings, args: argparse.Namespace) -> None:
    with opened(settings) as env:
        now = env.clock.now_ms()
        rows = [_shown(key, now) for key in keys.all_keys(env)]
    if args.json:
        for row in rows:
            print_json(row)
    elif not rows:
        say_none(f"there are no keys yet: `{PROG} create` makes the first")
    else:
        print_table([row | {"scopes": ",".join(row["scopes"])} for row in rows])


def revoke(settings: Settings, args: argparse.Namespace) -> None:
    with opened(settings) as env:
        revoked = keys.revoke(env, args.name, args.by)
    print(f"Revoked the key {args.name}" if revoked else f"The key {args.name} was revoked already")


def _shown(key: AdminKey, now: int) -> dict[str, Any]:
    return {
        "name": key.name,
        "state": key.state(now),
        "scopes": list(key.scopes),
        "createdAt": iso(key.created_at),
        "expiresAt": iso(key.expires_at),
        "lastUsedAt": shown.time(key.last_used_at),
    }
