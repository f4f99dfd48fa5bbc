"""`doorward mail`: tries the mail out, and shows what mails say."""

import argparse
import secrets
import smtplib
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from doorward.administration import mails, shown
from doorward.app import delivery_of
from doorward.cli import mail_texts
from doorward.cli.environment import opened
from doorward.cli.failure import Failure
from doorward.cli.output import print_json, print_table, say_none
from doorward.cli.parser import Parser, positive, text
from doorward.cli.reasons import add_reason
from doorward.core.clock import SECOND
from doorward.mail.brands import load_brands
from doorward.mail.delivery import Undeliverable
from doorward.mail.message import build, one_line
from doorward.mail.render import Renderer
from doorward.settings import Settings
from doorward.users import names

NO_INBOX = (
    "no mail server is set, and there is no data folder at {} to keep the mail in: set DOORWARD_SMTP_URL, "
    "or name yours by `--config` or DOORWARD_DATA_DIR"
)


def arguments(parser: Parser) -> None:
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands", parser_class=Parser)
    command = commands.add_parser(
        "test",
        help="send a test mail the way that all mails go, and say what became of it",
        examples="doorward mail test you@example.org --origin shop --language nl",
    )
    command.add_argument("address", type=text, metavar="ADDRESS")
    command.add_argument("--origin", type=text, help="the brand, if not the default one")
    command.add_argument("--language", type=text, help="the language, if not the brand's")
    command.set_defaults(run=test)
    command = commands.add_parser(
        "list",
        help="the mails that wait, or were given up",
        examples="doorward mail list\ndoorward mail list --failed --json",
    )
    command.add_argument("--failed", action="store_true", help="those of the last week that were given up")
    command.add_argument("--limit", type=positive, default=50, metavar="N", help="so many at most (default: 50)")
    command.add_argument("--json", action="store_true", help="one JSON object a line")
    command.set_defaults(run=list_mails)
    command = commands.add_parser("again", help="try a mail at once", examples="doorward mail again 17")
    command.add_argument("id", type=positive, metavar="ID", help="as `doorward mail list` shows it")
    add_reason(command)
    command.set_defaults(run=again)
    command = commands.add_parser(
        "preview",
        help="write every mail in every language and brand into a folder, to look at",
        examples="doorward mail preview --to mails",
    )
    command.add_argument("--to", type=text, required=True, metavar="FOLDER", help="made where it is not there")
    command.set_defaults(run=mail_texts.preview)
    command = commands.add_parser(
        "texts",
        help="print the texts of a language, to be changed for a brand",
        examples="doorward mail texts nl > brand/nl.toml",
    )
    command.add_argument("language", type=text, metavar="LANGUAGE", help="two letters, like nl")
    command.set_defaults(run=mail_texts.texts)


def test(settings: Settings, args: argparse.Namespace) -> None:
    """Raises Failure with the mail server's words, BadInput, BrandError, Refused("UNABLE_TO_FIND_MAIL_TEMPLATE")."""
    to = names.address(args.address)
    if not settings.smtp_url and not settings.data_dir.exists():
        raise Failure(NO_INBOX.format(settings.data_dir))
    now = datetime.now(UTC)
    renderer = Renderer(load_brands(settings.brands_file, settings.mail_sender, settings.public_url))
    rendered = renderer.render("test", args.origin, args.language, {"at": int(now.timestamp() * SECOND)})
    try:
        message = build(rendered, to, f"test.{secrets.token_hex(8)}", now)
    except ValueError as error:
        raise Failure(one_line(str(error))) from error
    way = server_of(settings)
    try:
        delivery_of(settings).send(message)
    except Undeliverable as error:
        raise Failure(f"{way} refused it for good: {_words(error.__cause__ or error)}") from error
    except (OSError, smtplib.SMTPException) as error:
        raise Failure(f"{way} did not take it: {_words(error)}: check DOORWARD_SMTP_URL") from error
    print(f"from {message['From']}, to {message['To']}, subject {message['Subject']!r}, language {rendered.language}")
    print(f"{way} took it as {message['Message-ID']}" if settings.smtp_url else f"kept in {way}")


def list_mails(settings: Settings, args: argparse.Namespace) -> None:
    with opened(settings) as env:
        found = [shown.mail(state) for state in mails.page(env, args.limit, failed=args.failed)]
    if args.json:
        for mail in found:
            print_json(mail)
    elif not found:
        say_none("no mail was given up in the last week" if args.failed else "no mail waits")
    else:
        print_table([_columns(mail) for mail in found])


def again(settings: Settings, args: argparse.Namespace) -> None:
    """Raises Refused: MAIL_NOT_FOUND, MAIL_EXPIRED, MAIL_IN_PROGRESS."""
    with opened(settings) as env:
        mails.send_again(env, args.id, args.by)
    print(f"The running service tries mail {args.id} now")


def _columns(mail: shown.Mail) -> dict[str, Any]:
    return {
        "id": mail.id,
        "written": mail.created_at,
        "template": mail.template,
        "to": mail.to,
        "tries": mail.attempts,
        "state": "waits" if mail.failed_at is None else "given up",
        "why": mail.last_error,
    }


def server_of(settings: Settings) -> str:
    """Where mails go, without the password."""
    if not settings.smtp_url:
        return f"the development inbox, {settings.data_dir / 'inbox'} (DOORWARD_SMTP_URL is not set)"
    url = urlsplit(settings.smtp_url)
    return f"{url.scheme}://{url.hostname}" + (f":{url.port}" if url.port else "")


def _words(error: BaseException) -> str:
    """What the mail server said, or what kept us from it."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, reply = next(iter(error.recipients.values()))
        return f"{code} {_text(reply)}"
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{error.smtp_code} {_text(error.smtp_error)}"
    return one_line(str(error)) or type(error).__name__


def _text(reply: bytes | str) -> str:
    return one_line(reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply)
