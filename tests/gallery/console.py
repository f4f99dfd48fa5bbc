"""The console of a service that has something to tell, with a picture of each of its pages."""

import math
from pathlib import Path

import httpx
import pyotp
from playwright.sync_api import Page

from doorward.accounts import flows as accounts
from doorward.administration import administrators
from doorward.app import build_env
from doorward.audit import COMMAND_LINE, By
from doorward.core import tallies
from doorward.core.clock import HOUR
from doorward.core.tallies import What
from doorward.mail.notices import MailChoice
from doorward.settings import load
from tests.gallery.camera import NARROW, Camera, Picture
from tests.gallery.pages import EMAIL, Walk
from tests.support.development import Development
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


def give_second_factor(dev: Development) -> list[str]:
    """An authenticator for the first user, by the API; gives the recovery codes."""
    with httpx.Client(base_url=dev.url) as client:
        refresh = client.post("/auth/login", json={"username": EMAIL, "password": dev.password}).text
        access = client.get("/auth/accesstoken", headers={"Authorization": f"Bearer {refresh}"}).text
        client.headers["Authorization"] = f"Bearer {access}"
        authenticator = pyotp.parse_uri(client.post("/user/2fa/totp/setup").json()["url"])
        assert isinstance(authenticator, pyotp.TOTP)
        enabled = client.post("/user/2fa/totp/enable", json={"totp": authenticator.now()}).raise_for_status()
    codes: list[str] = enabled.json()["recoveryCodes"]
    return codes


def type_password(dev: Development, page: Page) -> None:
    page.goto(f"{dev.url}/account/sign-in?next=/admin")
    page.locator("#username").fill(EMAIL)
    page.locator("#password").fill(dev.password)
    page.locator("main button.main").click()


def type_recovery_code(dev: Development, page: Page, code: str) -> None:
    page.goto(f"{dev.url}/account/second-factor?method=recovery-code&next=/admin")
    page.locator("#code").fill(code)
    page.locator("main button.main").click()


def walk(dev: Development, page: Page, camera: Camera) -> list[Picture]:
    """As an administrator, from the first page to an act."""
    person = Walk(dev, page, camera)
    codes = give_second_factor(dev)
    type_password(dev, page)
    type_recovery_code(dev, page, codes[0])
    for _ in range(2):
        httpx.post(f"{dev.url}/auth/login", json={"username": PEOPLE[0], "password": "wrong"})
    see(person, "", "console-health", "How the service does")
    narrow(person, "?period=week", "console-health", "The same over a week")
    see(person, "/users?q=ann", "console-users", "Users found by the beginning of an address")
    see(person, "/users/invite", "console-invite", "Somebody is invited")
    see(person, "/no-such-page", "not-found", "Where there is no page, or none for this visitor")
    page.goto(f"{dev.url}/admin/users?q=ann")
    page.get_by_role("link", name=PEOPLE[0]).click()
    at = page.url.removeprefix(f"{dev.url}/admin")
    page.goto(f"{dev.url}/admin{at}/disable")
    page.locator("#reason").fill(REASON)
    page.locator("main button.main").click()
    page.goto(f"{dev.url}/admin/users")
    see(person, at, "console-user", "A user who can't sign in, and why")
    see(person, f"{at}/reset-factors", "console-act", "An act says what it does, and asks why")
    return camera.taken


def see(person: Walk, path: str, name: str, words: str) -> None:
    person.page.goto(f"{person.dev.url}/admin{path}")
    person.camera.take(name, words, WIDE)


def narrow(person: Walk, path: str, name: str, words: str) -> None:
    person.page.set_viewport_size({"width": NARROW, "height": 640})
    person.page.goto(f"{person.dev.url}/admin{path}")
    person.camera.take(f"{name}-narrow", f"{words}, 320 pixels wide", NARROW)
