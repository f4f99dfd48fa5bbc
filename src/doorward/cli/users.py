"""`doorward users`: what an administrator does with accounts. NAME is a username or an address."""

import argparse
import getpass
import sys
from collections.abc import Iterator, Sequence
from gettext import NullTranslations
from typing import Any

import msgspec

from doorward.accounts import flows, search, waits
from doorward.accounts.view import Account, view
from doorward.administration import shown, standing, words
from doorward.cli import users_import
from doorward.cli.environment import opened, opened_or_made
from doorward.cli.failure import Failure
from doorward.cli.output import print_json, print_table, say_none
from doorward.cli.paging import pages
from doorward.cli.parser import Parser, positive, text, user_id
from doorward.cli.reasons import add_reason
from doorward.core.clock import iso
from doorward.env import Env
from doorward.mail.notices import MailChoice
from doorward.settings import Settings
from doorward.users import store
from doorward.users.store import User

LONGEST_PASSWORD_INPUT = 4096
PROG = "doorward users"
MARKS = {"bad": "x", "slow": "!", "good": "+", "plain": "-"}
NAME_HELP = "a username or an address"
TYPED_HELP = "read the password from standard input: one line, or typed unseen at a terminal"


def arguments(parser: Parser) -> None:
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands", parser_class=Parser)
    _add_create(commands)
    _add_invite(commands)
    _add_import(commands)
    _add_list(commands)
    _add_show(commands)
    _add_acts(commands)
    _add_end_waits(commands)
    _add_set_address(commands)
    _add_set_password(commands)


def _add_create(commands: Any) -> None:
    command = commands.add_parser(
        "create",
        help="add a user",
        examples=f"""
            {PROG} create ann@example.org
            {PROG} create ann@example.org --username ann --password-stdin < password.txt
        """,
    )
    command.add_argument("email", type=text, metavar="EMAIL")
    command.add_argument("--username", type=text, metavar="NAME", help="if it is not to be the address")
    command.add_argument("--password-stdin", action="store_true", help=f"{TYPED_HELP}; else they have none yet")
    add_reason(command)
    command.set_defaults(run=create)


def _add_invite(commands: Any) -> None:
    command = commands.add_parser(
        "invite",
        help="add a user and mail them a code to choose a password",
        examples=f"""
            {PROG} invite ann@example.org --language nl
            {PROG} invite ann@example.org --again
            {PROG} withdraw ann@example.org
        """,
    )
    command.add_argument("email", type=text, metavar="EMAIL")
    what = command.add_mutually_exclusive_group()
    what.add_argument("--username", type=text, metavar="NAME", help="if it is not to be the address")
    what.add_argument("--again", action="store_true", help="a new code for a user who has no password yet")
    command.add_argument("--origin", type=text, help="the mail's brand, if not the default one")
    command.add_argument("--language", type=text, help="the person's language, if not the brand's")
    add_reason(command)
    command.set_defaults(run=invite)


def _add_import(commands: Any) -> None:
    command = commands.add_parser(
        "import",
        help="add users from another system, with their hashes",
        description=users_import.DESCRIPTION,
        examples=f"""
            {PROG} import users.jsonl
            old-system-export | {PROG} import -
        """,
    )
    command.add_argument("file", type=text, metavar="FILE", help="`-` reads standard input")
    command.add_argument("--json", action="store_true", help="bad lines and the summary as JSON, one object a line")
    command.set_defaults(run=users_import.run)


def _add_list(commands: Any) -> None:
    command = commands.add_parser(
        "list",
        help="list users by their ids, or those whose names begin alike",
        examples=f"{PROG} list --limit 20\n{PROG} list --after 20 --json\n{PROG} list --prefix ann --limit 20",
    )
    command.add_argument("--json", action="store_true", help="one JSON object a line")
    command.add_argument("--after", type=user_id, default=0, metavar="ID", help="only users with a higher id")
    command.add_argument("--limit", type=positive, metavar="N", help="so many users at most")
    command.add_argument(
        "--prefix", type=text, metavar="TEXT", help="how the username or the address begins, in any case"
    )
    command.set_defaults(run=list_users)


def _add_show(commands: Any) -> None:
    command = commands.add_parser(
        "show", help="all about a user but the secrets, and why they can't sign in", examples=f"{PROG} show ann"
    )
    command.add_argument("name", type=text, metavar="NAME", help=NAME_HELP)
    command.add_argument("--json", action="store_true", help="one JSON object")
    command.set_defaults(run=show)


def _add_acts(commands: Any) -> None:
    for name, run, help_text in (
        ("disable", disable, "end a user's sessions and let them log in no more"),
        ("enable", enable, "let a disabled user log in again"),
        ("delete", delete, "delete a user and all that is theirs, without asking"),
        ("end-sessions", end_sessions, "end all sessions of a user"),
        ("reset-2fa", reset_2fa, "take every second factor off a user"),
        ("withdraw", withdraw, "withdraw an invitation: void its code and delete the unused account"),
    ):
        examples = f"{PROG} {name} ann@example.org\n{PROG} {name} ann@example.org --reason 'ticket 4711'"
        command = commands.add_parser(name, help=help_text, examples=examples)
        command.add_argument("name", type=text, metavar="NAME", help=NAME_HELP)
        add_reason(command)
        command.set_defaults(run=run)


def _add_end_waits(commands: Any) -> None:
    command = commands.add_parser(
        "end-waits",
        help="allow one more guess at once where a user waits after wrong passwords or codes",
        examples=f"{PROG} end-waits ann@example.org --reason 'ticket 4711, called back'",
    )
    command.add_argument("name", type=text, metavar="NAME", help=NAME_HELP)
    command.add_argument("--json", action="store_true", help="one JSON object")
    add_reason(command, required=True)
    command.set_defaults(run=end_waits)


def _add_set_address(commands: Any) -> None:
    command = commands.add_parser(
        "set-address",
        help="give a user another address, and tell the old one by mail",
        examples=f"{PROG} set-address ann@example.org ann@example.net",
    )
    command.add_argument("name", type=text, metavar="NAME", help=NAME_HELP)
    command.add_argument("email", type=text, metavar="EMAIL", help="the new address")
    add_reason(command)
    command.set_defaults(run=set_address)


def _add_set_password(commands: Any) -> None:
    command = commands.add_parser(
        "set-password",
        help="set a user's password and end their sessions",
        examples=f"{PROG} set-password ann --password-stdin < password.txt",
    )
    command.add_argument("name", type=text, metavar="NAME", help=NAME_HELP)
    command.add_argument("--password-stdin", action="store_true", required=True, help=TYPED_HELP)
    add_reason(command)
    command.set_defaults(run=set_password)


def create(settings: Settings, args: argparse.Namespace) -> None:
    password = _read_password() if args.password_stdin else None
    with opened_or_made(settings) as env:
        new_id = flows.create(env, args.email, username=args.username, password=password, by=args.by)
    how = "" if password is not None else f", without a password (`{PROG} set-password` sets one, as does a reset)"
    print(f"Created {args.email.strip()}{how}: user {new_id}")


def invite(settings: Settings, args: argparse.Namespace) -> None:
    choice = MailChoice(args.origin, args.language)
    with (opened if args.again else opened_or_made)(settings) as env:
        if args.again:
            user_id = flows.invite_again(env, args.email, choice, args.by).id
        else:
            user_id = flows.invite(env, args.email, choice, username=args.username, by=args.by)
    print(f"Invited {args.email.strip()}: the running service mails a code, good for 7 days, to user {user_id}")


def withdraw(settings: Settings, args: argparse.Namespace) -> None:
    with opened(settings) as env:
        user = flows.withdraw_invitation(env, args.name, args.by)
    print(f"Withdrew the invitation of {_called(user)}: the code is void and the account is deleted")


def show(settings: Settings, args: argparse.Namespace) -> None:
    with opened(settings) as env:
        account = view(env, args.name)
        found = words.findings(standing.of(env, account.user.id), NullTranslations())
    if args.json:
        told = [{"tone": each.tone, "text": each.text, "at": shown.time(each.at)} for each in found]
        print_json(msgspec.to_builtins(shown.account(account)) | {"standing": told})
        return
    _print_account(account)
    print("\ncan they sign in?")
    for each in found:
        print(f"  {MARKS[each.tone]} {each.text.replace('{at}', shown.time(each.at) or '')}")


def list_users(settings: Settings, args: argparse.Namespace) -> None:
    with opened(settings) as env:
        for number, page in enumerate(_found(env, args)):
            if args.json:
                for user in page:
                    print_json(shown.user(user))
            elif not page and number == 0:
                say_none(_none_found(args))
            else:
                print_table([_columns(user) for user in page], heading=number == 0)


def disable(settings: Settings, args: argparse.Namespace) -> None:
    with opened(settings) as env:
        user = flows.disable(env, args.name, args.by)
    print(f"Disabled {_called(user)}" if user.disabled_at is None else f"{_called(user)} was disabled already")


def enable(settings: Settings, args: argparse.Namespace) -> None:
    with opened(settings) as env:
        user = flows.enable(env, args.name, args.by)
    print(f"Enabled {_called(user)}" if user.disabled_at is not None else f"{_called(user)} was not disabled")


def delete(settings: Settings, args: argparse.Namespace) -> None:
    with opened(settings) as env:
        user = flows.delete(env, args.name, args.by)
    print(f"Deleted {_called(user)}, with all sessions, second factors and codes; the record of events stays")


def end_sessions(settings: Settings, args: argparse.Namespace) -> None:
    with opened(settings) as env:
        ended = flows.end_sessions(env, args.name, args.by)
    print(f"Ended all sessions of {args.name}: {ended}")


def end_waits(settings: Settings, args: argparse.Namespace) -> None:
    with opened(settings) as env:
        ended = waits.end_waits(env, args.name, args.by)
    if args.json:
        print_json(shown.EndedWaits(list(ended)))
    elif ended:
        print(f"Ended the waits of {args.name} ({', '.join(ended)}): each allows one try now, the counts stay")
    else:
        print(f"Nothing of {args.name} waits after wrong passwords or codes")


def set_address(settings: Settings, args: argparse.Namespace) -> None:
    with opened(settings) as env:
        user = flows.set_address(env, args.name, args.email, args.by)
    print(f"Gave {_called(user)} the address {args.email.strip()}; the old one is told by mail")


def reset_2fa(settings: Settings, args: argparse.Namespace) -> None:
    with opened(settings) as env:
        active = flows.reset_2fa(env, args.name, args.by)
    had = " and ".join(active) or "none was active"
    print(f"Took all second factors off {args.name} ({had}): the next login needs the password only")


def set_password(settings: Settings, args: argparse.Namespace) -> None:
    password = _read_password()
    with opened(settings) as env:
        user = flows.set_password(env, args.name, password, args.by)
    print(f"Set the password of {_called(user)} and ended all sessions; second factors stay")


def _read_password() -> str:
    if sys.stdin.isatty():
        return getpass.getpass("Password: ")
    raw = sys.stdin.buffer.readline(LONGEST_PASSWORD_INPUT)
    try:
        line = raw.decode()
    except UnicodeDecodeError as error:
        raise Failure("the password on standard input is not valid UTF-8") from error
    # Only the end of the line is not the password's: blanks are.
    return line.removesuffix("\n").removesuffix("\r")


def _found(env: Env, args: argparse.Namespace) -> Iterator[Sequence[User]]:
    """In order of ids, or those with the prefix in order of names."""
    if args.prefix is None:
        yield from pages(
            env, lambda tx, size, after: store.page(tx, after, size), lambda user: user.id, args.after, args.limit
        )
        return
    named = pages(
        env,
        lambda tx, size, after: search.by_prefix(tx, args.prefix, size, after),
        lambda found: found[0],
        "",
        args.limit,
    )
    for page in named:
        yield [user for _, user in page]


def _none_found(args: argparse.Namespace) -> str:
    if args.prefix is not None:
        return f"no username or address begins with {args.prefix!r}"
    if args.after:
        return f"no user has a higher id than {args.after}"
    return f"there are no users yet: `{PROG} create EMAIL` makes the first"


def _called(user: User) -> str:
    name = user.email if user.username == user.email else f"{user.username} ({user.email})"
    return f"user {user.id}, {name}"


def _columns(user: User) -> dict[str, Any]:
    return {
        "id": user.id,
        "username": user.username,
        "email": user.email,
        "state": "disabled" if user.disabled_at is not None else "enabled",
        "created": iso(user.created_at)[:10],
    }


def _print_account(account: Account) -> None:
    user = account.user
    mailed = f"since {iso(account.email_otp_at)}, to {account.email_otp_address}" if account.email_otp_at else "off"
    lines = {
        "id": user.id,
        "username": user.username,
        "email": user.email,
        "state": f"disabled since {iso(user.disabled_at)}" if user.disabled_at is not None else "enabled",
        "created": iso(user.created_at),
        "language": user.language or "as the brand's",
        "password": account.password_scheme or "none yet",
        "totp": f"since {iso(account.totp_at)}" if account.totp_at else "off",
        "email otp": mailed,
        "recovery codes": f"{account.recovery_codes_left} left",
        "sessions": account.sessions,
        "last login": iso(account.last_login_at) if account.last_login_at else "never, or long ago",
    }
    print_table([{"name": name, "value": value} for name, value in lines.items()], heading=False)
    if account.events:
        print("\nnewest events")
        print_table(
            [
                {"at": f"  {iso(event.at)}", "type": event.type, "from": event.client_address, "detail": event.detail}
                for event in account.events
            ],
            heading=False,
        )
