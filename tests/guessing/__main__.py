"""Simulate guessing attacks against the whole service, with a clock that is turned: `python -m tests.guessing`.

Every guess is a real call of the service over SQLite; passwords are hashed at next to no cost. `--write` puts the
tables into docs/security/guessing.md.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench.page import fill, markdown
from bench.servers import ROOT
from doorward.core.migrate import migrate
from tests.guessing import attacks
from tests.guessing.attacks import Days, Siege
from tests.support.clock import FakeClock
from tests.support.service import EMAIL, PASSWORD, Service, running
from tests.support.smtp import smtp_catcher

PAGE = ROOT / "docs" / "security" / "guessing.md"
DAYS = 7
YEAR = 365
BOTNET, ACCOUNTS, SMALL = 10_000, 10_000, 3
TOTP_CHANCE = 3 / 10**6
"""Of one guess: the codes of three time steps are good."""
MAILED_CHANCE = 1 / 10**6
HOME, HOME_V6, HOME_V6_TOMORROW = "192.0.2.1", "2001:db8:1::aaaa", "2001:db8:1::bbbb"
ELSEWHERE, ELSEWHERE_TOO = "198.51.100.7", "198.51.100.8"
HOURS = 24

# What is attacked and how, and the chance of one guess where the service makes up what is guessed.
GUESSES: list[tuple[str, Days, float | None]] = [
    (
        "a password, by a botnet of 10,000 addresses",
        lambda service, days: attacks.botnet_on_one_account(service, days, BOTNET),
        None,
    ),
    (
        "passwords of 10,000 accounts, by one address",
        lambda service, days: attacks.one_address_on_many_accounts(service, days, ACCOUNTS),
        None,
    ),
    (
        "passwords of 3 accounts, by 3 addresses",
        lambda service, days: attacks.botnet_on_many_accounts(service, days, SMALL),
        None,
    ),
    ("TOTP codes, by one who has the password", attacks.totp_codes, TOTP_CHANCE),
    (
        "the same, while the owner logs in once a day",
        partial(attacks.totp_codes, owner_logs_in=True),
        TOTP_CHANCE,
    ),
    ("recovery codes, by one who has the password", attacks.recovery_codes, 10 / 30**16),
    ("codes mailed for the second step, by one who has the password", attacks.email_otp_codes, MAILED_CHANCE),
    ("codes mailed for a new password, by one who knows the address", attacks.reset_codes, MAILED_CHANCE),
]


def main() -> int:
    """Run all attacks and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.guessing", description=__doc__)
    parser.add_argument("--days", type=int, default=DAYS, help="that each attack goes on for (%(default)s)")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {PAGE.relative_to(ROOT)}")
    args = parser.parse_args()
    tables = {"guesses": guesses(args.days), "owner": owner()}
    if args.write:
        for name, table in tables.items():
            fill(name, table, PAGE)
    return 0


def guesses(days: int) -> str:
    """How many guesses of each attack were judged."""
    head = ["guessed", "first day", f"day {days}", f"in {days} days", "chance in a year"]
    rows = []
    for name, attack, chance in GUESSES:
        with fresh() as service:
            judged = attack(service, days)
        rows.append([name, f"{judged[0]:,}", f"{judged[-1]:,}", f"{sum(judged):,}", chance_in_a_year(judged, chance)])
        tell(rows[-1])
    return markdown(head, rows)


def chance_in_a_year(judged: Sequence[int], chance: float | None) -> str:
    """That one guess of a year is right, at the last day's rate."""
    if chance is None:
        return "the password's"
    in_a_year = sum(judged) + judged[-1] * (YEAR - len(judged))
    return f"{in_a_year * chance:.2g}"


def owner() -> str:
    """How long the owner waits while a botnet guesses at every moment when a guess is allowed."""
    rows = [
        row("at an address from which they logged in before", lambda siege: attacks.owner_tries(siege, HOME, HOURS)),
        row(
            "in an IPv6 network from which they did, at another address of it",
            lambda siege: attacks.owner_tries(siege, HOME_V6_TOMORROW, HOURS),
        ),
        row("elsewhere", lambda siege: attacks.owner_tries(siege, ELSEWHERE, HOURS)),
        row(
            "elsewhere, trying again when told, against guesses that always come first",
            lambda siege: [attacks.owner_retries(siege, ELSEWHERE, HOURS)],
        ),
        row(
            "elsewhere, after a new password by mail from there",
            lambda siege: [attacks.owner_resets(siege, ELSEWHERE_TOO)],
        ),
    ]
    return markdown(["the owner is", "shortest wait", "longest wait"], rows)


def row(name: str, waits_of: Callable[[Siege], Sequence[int | None]]) -> list[str]:
    """Shortest and longest wait in seconds."""
    with fresh() as service:
        service.add_user()
        for address in (HOME, HOME_V6):
            attacks.log_in(service, EMAIL, PASSWORD, address)
        siege = Siege(service)
        # The wait has grown to its longest by then.
        siege.for_seconds(2 * attacks.HOUR_S)
        waits = waits_of(siege)
    told = [wait for wait in waits if wait is not None]
    shown = [f"{each} s" for each in (min(told), max(told))] if told else [f"not in {HOURS} hours"] * 2
    return tell([name, *shown])


def tell(cells: list[str]) -> list[str]:
    """Show a line as soon as it is known."""
    sys.stdout.write(" | ".join(cells) + "\n")
    sys.stdout.flush()
    return cells


@contextmanager
def fresh() -> Iterator[Service]:
    """The service on an empty SQLite file."""
    with tempfile.TemporaryDirectory() as name, smtp_catcher() as smtp:
        folder = Path(name)
        url = f"sqlite:///{folder / 'doorward.db'}"
        migrate(url)
        with running(url, folder, FakeClock(), smtp, growing_mail_waits="true") as service:
            yield service


if __name__ == "__main__":
    sys.exit(main())
