"""`doorward events`: what happened, who did it and why, and whether all of it is still there."""

import argparse
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, get_args

from doorward import audit
from doorward.accounts.flows import get
from doorward.audit import AnyEvent, Wanted
from doorward.cli.environment import opened
from doorward.cli.failure import Failure
from doorward.cli.output import print_json, print_table, say_none
from doorward.cli.paging import pages
from doorward.cli.parser import Parser, positive, span, text, user_id
from doorward.core.clock import SECOND, iso
from doorward.core.db import Tx
from doorward.env import Env
from doorward.events import shown
from doorward.events.chain import Chain, Point
from doorward.events.store import erase
from doorward.events.verify import Verdict, verify
from doorward.settings import Settings

LEAST_DIGEST_BYTES = 16
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
    command.add_argument("--user", type=text, metavar="NAME", help="a username, an address or an id")
    command.add_argument("--type", choices=get_args(audit.EventType), metavar="TYPE", help="such as login.refused")
    command.add_argument("--since", type=moment, metavar="TIME", help="like 24h, 7d, or 2026-01-31")
    command.add_argument("--limit", type=positive, default=50, metavar="N", help="so many at most (default: 50)")
    command.add_argument("--json", action="store_true", help="one JSON object a line")
    command.set_defaults(run=list_events)

    command = commands.add_parser(
        "verify", help="find out whether events were removed or changed", examples="doorward events verify --json"
    )
    command.add_argument(
        "--holds", type=noted, metavar="SEQ:DIGEST", help="and whether this event, noted down before, is in the chain"
    )
    command.add_argument("--json", action="store_true", help="one JSON object")
    command.set_defaults(run=verify_chain)

    command = commands.add_parser(
        "erase", help="erase the client addresses of a deleted user's events", examples="doorward events erase 17"
    )
    command.add_argument("id", type=user_id, metavar="ID", help="the deleted user's id")
    command.set_defaults(run=erase_addresses)


def moment(value: str) -> tuple[str, int]:
    """A type of argument: milliseconds before now (`ago`) or since 1970 (`at`)."""
    if (age := span(value)) is not None:
        return AGO, age
    try:
        return AT, int(datetime.fromisoformat(value).replace(tzinfo=UTC).timestamp() * SECOND)
    except ValueError:
        raise argparse.ArgumentTypeError(f"`{value}` is not a time like 24h, 7d or 2026-01-31 (UTC)") from None


def noted(value: str) -> Point:
    """A type of argument: a place in the chain, and the digest there or its beginning."""
    seq, _, digest = value.partition(":")
    try:
        point = Point(int(seq), bytes.fromhex(digest))
    except ValueError:
        point = Point(0, b"")
    if point.seq < 1 or len(point.digest) < LEAST_DIGEST_BYTES:
        raise argparse.ArgumentTypeError(f"`{value}` is not like 17:0f3c... with 32 hexadecimal digits or more")
    return point


def list_events(settings: Settings, args: argparse.Namespace) -> None:
    with opened(settings) as env:
        for number, page in enumerate(_pages(env, _wanted(env, args), args.limit)):
            if args.json:
                for event in page:
                    print_json(shown.event(event))
            elif not page and number == 0:
                say_none("there is no such event" if _is_narrowed(args) else "nothing has happened yet")
            else:
                print_table([_columns(event) for event in page], heading=number == 0)


def verify_chain(settings: Settings, args: argparse.Namespace) -> None:
    """Raises Failure when the chain is broken."""
    with opened(settings) as env:
        verdict = verify(Chain(env.db, env.vault), args.holds)
    if args.json:
        print_json(_as_json(verdict))
    if verdict.broken is not None:
        raise Failure(f"the chain of events breaks at place {verdict.broken.seq}: {verdict.broken.reason}")
    if not args.json:
        _print(verdict)


def erase_addresses(settings: Settings, args: argparse.Namespace) -> None:
    """Raises Failure while the user is there."""
    with opened(settings) as env:
        erased = erase(env.db, args.id)
    if erased is None:
        raise Failure(f"user {args.id} is not deleted: delete them first")
    print(f"Erased the client address of {erased} events of the deleted user {args.id}")


def _wanted(env: Env, args: argparse.Namespace) -> Wanted:
    wanted_id = None
    if args.user is not None:
        # An id finds the events of a deleted user too, whose name nobody knows any more.
        is_id = args.user.isascii() and args.user.isdigit()
        with env.db.read() as tx:
            wanted_id = int(args.user) if is_id else get(tx, args.user).id
    since = None
    if args.since is not None:
        kind, ms = args.since
        since = env.clock.now_ms() - ms if kind == AGO else ms
    return Wanted(user_id=wanted_id, type=args.type, since=since)


def _is_narrowed(args: argparse.Namespace) -> bool:
    return any(each is not None for each in (args.user, args.type, args.since))


def _pages(env: Env, wanted: Wanted, limit: int) -> Iterator[Sequence[AnyEvent]]:
    def find(tx: Tx, size: int, before: int | None) -> Sequence[AnyEvent]:
        return audit.page(tx, wanted, size, before)

    return pages(env, find, lambda event: event.id, None, limit)


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


def _as_json(verdict: Verdict) -> dict[str, Any]:
    broken = verdict.broken
    return {
        "intact": broken is None,
        "brokenAt": None if broken is None else broken.seq,
        "reason": None if broken is None else broken.reason,
        "checked": verdict.checked,
        "beginsBehind": verdict.begins_behind,
        "head": verdict.head.seq,
        "headDigest": verdict.head.digest.hex(),
        "unsealed": verdict.unsealed,
        "late": verdict.late,
        "erased": verdict.erased,
    }


def _print(verdict: Verdict) -> None:
    print(f"{verdict.checked} events are as they were sealed; {verdict.unsealed} are not sealed yet")
    if verdict.begins_behind:
        print(f"The {verdict.begins_behind} before them were swept")
    if verdict.erased:
        print(f"{verdict.erased} have no client address any more: their users were deleted")
    if verdict.late:
        print(f"{verdict.late} were sealed an hour or more after they happened: was Doorward upgraded or down then?")
    print(f"To be noted down elsewhere: {verdict.head.seq}:{verdict.head.digest.hex()}")
