"""The console of a service that has something to tell, with a picture of each of its pages."""

import math
from pathlib import Path

import httpx
import pyotp

from doorward.accounts import flows as accounts
from doorward.administration import administrators
from doorward.app import build_env
from doorward.audit import COMMAND_LINE, By
from doorward.core import tallies
from doorward.core.clock import HOUR
from doorward.core.tallies import What
from doorward.mail.notices import MailChoice
from doorward.settings import load
from tests.gallery.camera import NARROW
from tests.gallery.pages import EMAIL, Walk
from tests.support.service import CHEAP, PASSWORD

PEOPLE = ("ann.archer@example.org", "anna.berg@example.org", "annika@example.net", "bob@example.org")
WIDE = 1100
HOURS = 30 * 24
REASON = "ticket 4711: she asked for it by telephone"


def seed(folder: Path) -> None:
    """Users, an administrator, and a month of counts; beside the service that runs in the folder."""
    env = build_env(load({"DOORWARD_DATA_DIR": str(folder / ".doorward")} | CHEAP))
    try:
        for email in PEOPLE[:3]:
            accounts.create(env, email, password=PASSWORD)
        accounts.invite(env, PEOPLE[3], MailChoice(None, None))
        administrators.grant(env, EMAIL, By(COMMAND_LINE, "the first administrator"))
        with env.db.write() as tx:
            now = tallies.hour_of(tx.now)
            for ago in range(1, HOURS):
                tallies.add(tx, {(now - ago * HOUR, what): count for what, count in _counts(ago).items()})
    finally:
        env.hasher.close()
        env.db.close()


def _counts(ago: int) -> dict[What, int]:
    """A day's rhythm; one afternoon of guessing, and a mail server that was away for a while."""
    logins = round(40 + 34 * math.sin((ago + 3) / 24 * 2 * math.pi) + 7 * math.sin(ago * 1.7))
    counts: dict[What, int] = {
        "logins": logins,
        "refused_passwords": logins // 9 + (55 if 6 <= ago <= 8 else 0),
        "refused_codes": logins // 24 + ago % 2,
        "waits": 9 if 6 <= ago <= 8 else int(ago % 7 == 0),
        "mails_sent": logins // 4,
        "mails_delayed": 12 if 14 <= ago <= 15 else 0,
        "mails_failed": 3 if ago == 14 else 0,
        "errors": 4 if ago == 15 else 0,
    }
    return {what: count for what, count in counts.items() if count}


def walk(person: Walk, authenticator: pyotp.TOTP) -> None:
    """As an administrator; the person has signed in with the authenticator."""
    url = person.dev.url
    for _ in range(5):
        httpx.post(f"{url}/auth/login", json={"username": PEOPLE[0], "password": "wrong"})
    see(person, "", "console-health", "The console: how the service does")
    narrow(person, "", "console-health", "How the service does")
    see(person, "/users?q=ann", "console-users", "Users found by the beginning of an address")
    person.page.get_by_role("link", name=PEOPLE[0]).click()
    at = person.page.url.removeprefix(f"{url}/admin")
    see(person, at, "console-user", "A user who can't sign in, and why")
    narrow(person, at, "console-user", "A user who can't sign in")
    see(person, f"{at}/reset-factors", "console-act", "An act asks why")
    see(person, "/mails?state=waiting", "console-mails", "The outbox")


def see(person: Walk, path: str, name: str, words: str) -> None:
    person.page.goto(f"{person.dev.url}/admin{path}")
    person.camera.take(name, words, WIDE)


def narrow(person: Walk, path: str, name: str, words: str) -> None:
    person.page.set_viewport_size({"width": NARROW, "height": 640})
    person.page.goto(f"{person.dev.url}/admin{path}")
    person.camera.take(f"{name}-narrow", f"{words}, 320 pixels wide", NARROW)
