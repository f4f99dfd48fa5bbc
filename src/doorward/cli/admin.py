"""`doorward admin`: who may use the console, and how the service does (docs/console.md)."""

import argparse
from typing import Any, get_args

from doorward.accounts.view import view
from doorward.administration import administrators, health, shown
from doorward.administration.administrators import Administrator
from doorward.administration.health import Period
from doorward.cli.environment import opened
from doorward.cli.output import print_json, print_table, say_none
from doorward.cli.parser import Parser, text
from doorward.cli.reasons import add_reason
from doorward.core.clock import iso
from doorward.settings import Settings

PROG = "doorward admin"
NO_FACTOR = "they have no second factor yet: the console asks them to set one up first"


def arguments(parser: Parser) -> None:
    groups = parser.add_subparsers(required=True, metavar="COMMAND", title="commands", parser_class=Parser)
    _add_roles(groups)
    _add_health(groups)
    groups.add_parser("keys", help="the keys of the administrators' API", module="doorward.cli.admin_keys")


def _add_roles(groups: Any) -> None:
    for name, run, help_text in (
        ("grant", grant, "let a user in at the console, the first administrator too"),
        ("revoke", revoke, "let a user in at the console no more, from their next request on"),
    ):
        command = groups.add_parser(
            name, help=help_text, examples=f"{PROG} {name} ann@example.org --reason 'help desk, ticket 4711'"
        )
        command.add_argument("user", type=text, metavar="NAME", help="a username or an address")
        add_reason(command)
        command.set_defaults(run=run)
    command = groups.add_parser("list", help="who may use the console", examples=f"{PROG} list --json")
    command.add_argument("--json", action="store_true", help="one JSON object a line")
    command.set_defaults(run=list_administrators)


def _add_health(groups: Any) -> None:
    command = groups.add_parser(
        "health",
        help="how often things happened, and what waits",
        examples=f"{PROG} health\n{PROG} health --period month --json",
    )
    command.add_argument("--period", choices=get_args(Period), default="day", help="how far back (default: day)")
    command.add_argument("--json", action="store_true", help="one JSON object")
    command.set_defaults(run=show_health)


def grant(settings: Settings, args: argparse.Namespace) -> None:
    """Raises NoSuchUser."""
    with opened(settings) as env:
        granted = administrators.grant(env, args.user, args.by)
        has_factor = view(env, args.user).has_factor
    print(f"{args.user} is an administrator now" if granted else f"{args.user} was an administrator already")
    if not has_factor:
        print(NO_FACTOR)


def revoke(settings: Settings, args: argparse.Namespace) -> None:
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
    elif not found:
        say_none(f"nobody is an administrator yet: `{PROG} grant NAME` makes a user the first")
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
