"""`doorward events`: what happened, who did it and why."""

import argparse
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, get_args

from doorward import audit
from doorward.accounts.flows import get
from doorward.administration import shown
from doorward.audit import AnyEvent, Wanted
from doorward.cli.environment import opened
from doorward.cli.output import print_json, print_table
from doorward.cli.parser import Parser, positive, text
from doorward.core.clock import DAY, HOUR, MINUTE, SECOND, iso
from doorward.env import Env
from doorward.settings import Settings

PAGE = 500
AGE = re.compile(r"([1-9][0-9]{0,4})([dhm])")
UNITS = {"d": DAY, "h": HOUR, "m": MINUTE}
AGO, AT = "ago", "at"


def arguments(parser: Parser) -> None:
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands", parser_class=Parser)
    command = commands.add_parser(
        "list",
        help="the newest events, newest first",
        examples="""
            doorward events list --user ann@example.org
            doorward events list --type login.refused --since 24h --json
        """,
    )
    command.add_argument("--user", type=text, metavar="NAME", help="a username or an address")
    command.add_argument("--type", choices=get_args(audit.EventType), metavar="TYPE", help="such as login.refused")
    command.add_argument("--since", type=moment, metavar="TIME", help="like 24h, 7d, or 2026-01-31")
    command.add_argument("--limit", type=positive, default=50, metavar="N", help="so many at most (default: 50)")
    command.add_argument("--json", action="store_true", help="one JSON object a line")
    command.set_defaults(run=list_events)


def moment(value: str) -> tuple[str, int]:
    """A type of argument: milliseconds before now (`ago`) or since 1970 (`at`)."""
    if found := AGE.fullmatch(value):
        return AGO, int(found[1]) * UNITS[found[2]]
    try:
        return AT, int(datetime.fromisoformat(value).replace(tzinfo=UTC).timestamp() * SECOND)
    except ValueError:
        raise argparse.ArgumentTypeError(f"`{value}` is not a time like 24h, 7d or 2026-01-31 (UTC)") from None


def list_events(settings: Settings, args: argparse.Namespace) -> None:
    with opened(settings) as env:
        for number, page in enumerate(_pages(env, _wanted(env, args), args.limit)):
            if args.json:
                for event in page:
                    print_json(shown.event(event))
            else:
                print_table([_columns(event) for event in page], heading=number == 0)


def _wanted(env: Env, args: argparse.Namespace) -> Wanted:
    user_id = None
    if args.user is not None:
        with env.db.read() as tx:
            user_id = get(tx, args.user).id
    since = None
    if args.since is not None:
        kind, span = args.since
        since = env.clock.now_ms() - span if kind == AGO else span
    return Wanted(user_id=user_id, type=args.type, since=since)


def _pages(env: Env, wanted: Wanted, left: int) -> Iterator[list[AnyEvent]]:
    before = None
    while left > 0:
        size = min(PAGE, left)
        with env.db.read() as tx:
            page = audit.page(tx, wanted, size, before)
        yield page
        if len(page) < size:
            return
        before, left = page[-1].id, left - size


def _columns(event: AnyEvent) -> dict[str, Any]:
    return {
        "at": iso(event.at),
        "type": event.type,
        "user": event.user_id,
        "from": event.client_address,
        "detail": event.detail,
        "by": event.actor,
        "why": event.reason,
    }
