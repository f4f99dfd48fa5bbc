"""`doorward admin`: who may use the console (docs/console.md), and the keys of the API (docs/admin-api.md)."""

import argparse
from typing import Any, get_args

from doorward.accounts.view import view
from doorward.administration import administrators, health, keys, shown
from doorward.administration.administrators import Administrator
from doorward.administration.health import Period
from doorward.administration.keys import AdminKey
from doorward.cli.environment import opened
from doorward.cli.failure import Failure
from doorward.cli.output import print_json, print_table
from doorward.cli.parser import Parser, span, text
from doorward.cli.reasons import add_reason
from doorward.core.clock import DAY, iso
from doorward.settings import Settings

PROG = "doorward admin keys"
ROLE = "doorward admin"
NO_FACTOR = "they have no second factor yet: the console asks them to set one up first"


def arguments(parser: Parser) -> None:
    groups = parser.add_subparsers(required=True, metavar="COMMAND", title="commands", parser_class=Parser)
    for name, run_role, help_text in (
        ("grant", grant, "let a user in at the console, the first administrator too"),
        ("revoke", revoke_role, "let a user in at the console no more, from their next request on"),
    ):
        command = groups.add_parser(
            name, help=help_text, examples=f"{ROLE} {name} ann@example.org --reason 'help desk, ticket 4711'"
        )
        command.add_argument("user", type=text, metavar="NAME", help="a username or an address")
        add_reason(command)
        command.set_defaults(run=run_role)
    command = groups.add_parser("list", help="who may use the console", examples=f"{ROLE} list --json")
    command.add_argument("--json", action="store_true", help="one JSON object a line")
    command.set_defaults(run=list_administrators)
    command = groups.add_parser(
        "health",
        help="how often things happened, and what waits",
        examples=f"{ROLE} health\n{ROLE} health --period month --json",
    )
    command.add_argument("--period", choices=get_args(Period), default="day", help="how far back (default: day)")
    command.add_argument("--json", action="store_true", help="one JSON object")
    command.set_defaults(run=show_health)
    group = groups.add_parser("keys", help="the keys of the administrators' API")
    commands = group.add_subparsers(required=True, metavar="COMMAND", title="commands", parser_class=Parser)
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
    command = commands.add_parser("list", help="every key, without its secret", examples=f"{PROG} list --json")
    command.add_argument("--json", action="store_true", help="one JSON object a line")
    command.set_defaults(run=list_keys)
    command = commands.add_parser("revoke", help="make a key good for nothing", examples=f"{PROG} revoke helpdesk")
    command.add_argument("name", type=text, metavar="NAME")
    add_reason(command)
    command.set_defaults(run=revoke)


def grant(settings: Settings, args: argparse.Namespace) -> None:
    """Raises NoSuchUser."""
    with opened(settings) as env:
        granted = administrators.grant(env, args.user, args.by)
        has_factor = view(env, args.user).has_factor
    print(f"{args.user} is an administrator now" if granted else f"{args.user} was an administrator already")
    if not has_factor:
        print(NO_FACTOR)


def revoke_role(settings: Settings, args: argparse.Namespace) -> None:
    """Raises NoSuchUser."""
    with opened(settings) as env:
        revoked = administrators.revoke(env, args.user, args.by)
    print(f"{args.user} is no administrator any more" if revoked else f"{args.user} was no administrator")


def list_administrators(settings: Settings, args: argparse.Namespace) -> None:
    with opened(settings) as env:
        found = [_role(each) for each in administrators.everyone(env)]
    if args.json:
        for row in found:
            print_json(row)
    else:
        print_table([row | {"secondFactor": "yes" if row["secondFactor"] else "no"} for row in found])


def show_health(settings: Settings, args: argparse.Namespace) -> None:
    with opened(settings) as env:
        state = health.of(env, args.period)
    if args.json:
        steps = [_step(begin, numbers) for begin, numbers in state.rows]
        now = {"mailsWaiting": state.waiting, "mailsGivenUp": state.given_up}
        since = {"oldestMailAt": shown.time(state.oldest_mail), "unsealedSince": shown.time(state.unsealed)}
        print_json(now | since | {"steps": steps})
        return
    print_table([{**_step(begin, numbers), "from": iso(begin)[:16]} for begin, numbers in state.rows])
    print(f"\nmails that wait: {state.waiting}, given up in the last week: {state.given_up}")


def life(value: str) -> int:
    """A type of argument: a time from now, in milliseconds."""
    given = span(value, "dh")
    if given is None or given > keys.LONGEST_LIFE:
        longest = keys.LONGEST_LIFE // DAY
        raise argparse.ArgumentTypeError(f"`{value}` is not a time like 90d or 12h, at most {longest}d")
    return given


def create(settings: Settings, args: argparse.Namespace) -> None:
    with opened(settings) as env:
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
    else:
        print_table([row | {"scopes": ",".join(row["scopes"])} for row in rows])


def revoke(settings: Settings, args: argparse.Namespace) -> None:
    with opened(settings) as env:
        revoked = keys.revoke(env, args.name, args.by)
    print(f"Revoked the key {args.name}" if revoked else f"The key {args.name} was revoked already")


def _step(begin: int, numbers: list[int]) -> dict[str, Any]:
    names = (_camel(what) for what in health.WHATS)
    return {"from": iso(begin), **dict(zip(names, numbers, strict=True))}


def _camel(what: str) -> str:
    first, *others = what.split("_")
    return first + "".join(word.title() for word in others)


def _role(each: Administrator) -> dict[str, Any]:
    return {
        "id": each.user.id,
        "username": each.user.username,
        "email": each.user.email,
        "grantedAt": iso(each.granted_at),
        "secondFactor": each.has_factor,
        "state": "disabled" if each.user.disabled_at is not None else "enabled",
    }


def _shown(key: AdminKey, now: int) -> dict[str, Any]:
    return {
        "name": key.name,
        "state": key.state(now),
        "scopes": list(key.scopes),
        "createdAt": iso(key.created_at),
        "expiresAt": iso(key.expires_at),
        "lastUsedAt": shown.time(key.last_used_at),
    }
