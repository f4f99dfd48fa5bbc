"""`doorward dev`: the service for a first look, with a first user and the lines to try it with."""

import argparse
import json
import os
import secrets
import shlex
import sys
from pathlib import Path

from doorward.accounts import flows
from doorward.cli import parser as kinds
from doorward.cli.environment import opened_or_made
from doorward.cli.failure import Failure
from doorward.cli.parser import Parser
from doorward.cli.serve import OTHER_PORT, require_free_port, run_server, shows_inbox
from doorward.core.client import is_loopback
from doorward.env import Env
from doorward.settings import Settings
from doorward.users import store

EMAIL = "you@example.org"
FILE = "first-user.json"


def arguments(parser: Parser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen at (%(default)s)")
    parser.add_argument("--port", type=kinds.port, default=8000, help="the port to listen at (%(default)s)")
    parser.set_defaults(run=dev, defaults=defaults)


def defaults(args: argparse.Namespace) -> dict[str, str]:
    """What is different from `serve` unless it is set."""
    return {
        "data_dir": ".doorward",
        "public_url": f"http://localhost:{args.port}",
        "log_format": "text",
        "shutdown_delay": "0",
    }


def dev(settings: Settings, args: argparse.Namespace) -> None:
    """Serve until told to stop. Raises Failure for whatever keeps it from starting."""
    try:
        require_free_port(args.host, args.port)
    except Failure as error:
        another = args.port + 1 if args.port < kinds.LARGEST_PORT else 8001
        raise Failure(str(error).replace(OTHER_PORT, f"take another with `make run PORT={another}`")) from error
    with opened_or_made(settings, says_new=False) as env:
        email, password = first_user(env, settings.data_dir / FILE)
    print(welcome(settings, args.host, args.port, email, password), flush=True)
    run_server(settings, args.host, args.port, workers=1)


def first_user(env: Env, path: Path) -> tuple[str, str | None]:
    """The first user's address and password, made on the first run.

    It is looked for by its id, since people try a change of address. The password is None where another was set. A user
    who was deleted is made again.
    """
    kept = json.loads(path.read_text("utf-8")) if path.exists() else {}
    with env.db.read() as tx:
        user = store.find(tx, kept.get("id", 0)) or store.find_by_email(tx, EMAIL)
    if user is None:
        # Kept before the user is made: no run leaves one whose password nobody knows.
        password = _new_password()
        kept = {"email": EMAIL, "password": password}
        _keep(path, kept)
        _keep(path, kept | {"id": flows.create(env, EMAIL, password=password)})
        return EMAIL, password
    is_kept = "password" in kept and env.hasher.verify(user.password_hash, kept["password"])
    return user.email, kept["password"] if is_kept else None


def welcome(settings: Settings, host: str, port: int, email: str, password: str | None) -> str:
    """What is where, the command that lets the first user into the console, and three lines that log in."""
    base = f"http://{'localhost' if is_loopback(host) else host}:{port}"
    page = f"{base}/dev/inbox"
    mails = page if shows_inbox(settings, host) else f"{settings.data_dir / 'inbox'} (no page: not on loopback)"
    login = json.dumps({"username": email, "password": password or "YOUR-PASSWORD"})
    command = shlex.join([sys.argv[0], "admin", "grant", email])
    grant = f"DOORWARD_DATA_DIR={shlex.quote(str(settings.data_dir))} {command}"
    return f"""
*** DEVELOPMENT MODE: NOT FOR PRODUCTION (docs/run.md tells how to run it for real) ***

  Account pages  {base}/account
  API reference  {base}/docs
  Mails          {"go to the mail server of DOORWARD_SMTP_URL" if settings.smtp_url else mails}
  Console        {base}/admin, after: {grant}
  Data           {settings.data_dir.resolve()}
  First user     {email}, password {password or "as you set it"}

Log in, get an access token, and ask which second factors you have:

  REFRESH=$(curl -s {base}/auth/login -H 'Content-Type: application/json' -d '{login}')
  ACCESS=$(curl -s {base}/auth/accesstoken -H "Authorization: Bearer $REFRESH")
  curl -s {base}/user/2fa -H "Authorization: Bearer $ACCESS"
"""


def _new_password() -> str:
    """Random, with what the rules ask for, and nothing that a shell reads."""
    return f"Dw1-{secrets.token_hex(8)}"


def _keep(path: Path, kept: dict[str, str | int]) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(kept, file)
