"""`doorward users import`: reads the file line by line, and says what became of it."""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from doorward.accounts import imports
from doorward.accounts.imports import BATCH, LONGEST_LINE, BadLine, NewUser, Result
from doorward.cli.environment import opened_or_made
from doorward.cli.failure import Failure
from doorward.cli.output import print_json
from doorward.env import Env
from doorward.settings import Settings

DESCRIPTION = """Add users from another system. A line of FILE is one JSON object:

  {"email": "ann@example.org", "username": "ann", "passwordHash": "$2b$12$...",
   "totpSecret": "JBSWY3DP...", "disabled": false, "createdAt": "2021-05-04T12:00:00Z"}

Only "email" must be there. Hashes: Argon2id, Argon2i, bcrypt, scrypt and PBKDF2, as PHC strings or as Django,
Werkzeug and passlib write them. A TOTP secret (base32) becomes an active second factor, without recovery codes.

A user whose address is there already is left alone and counted as skipped: after an interruption, run it again.
Bad lines are named and left out; the rest is imported."""

BOM = b"\xef\xbb\xbf"
TELL_EVERY_LINES = 50_000


def run(settings: Settings, args: argparse.Namespace) -> None:
    """Import. Raises Failure when a line was bad, after all others are in."""
    # The file first: a wrong path is told before anything is opened.
    with _opened_file(args.file) as file, opened_or_made(settings) as env:
        report = _Report(as_json=args.json)
        try:
            _import(env, file, report)
        except KeyboardInterrupt:
            report.finish()
            raise Failure("interrupted: run it again to go on") from None
        report.finish()
    if report.counts["bad"]:
        raise Failure(f"{report.counts['bad']} lines were bad: mend them and run it again, the others are skipped then")


def lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """The lines that hold something, numbered from 1, without their ends; of an overlong one only the beginning."""
    number = 0
    while line := file.readline(LONGEST_LINE + 1):
        number += 1
        rest = line
        while rest and not rest.endswith(b"\n"):
            rest = file.readline(LONGEST_LINE)
        if number == 1:
            line = line.removeprefix(BOM)
        if line.strip():
            yield number, line if len(line) > LONGEST_LINE else line.strip()


def _import(env: Env, file: BinaryIO, report: "_Report") -> None:
    newest_before = imports.newest_id(env)
    batch: list[NewUser] = []
    now = env.clock.now_ms()
    for number, line in lines(file):
        try:
            batch.append(imports.read(number, line, now))
        except BadLine as error:
            report.add(Result(number, "bad", str(error)))
        if len(batch) == BATCH:
            report.add(*imports.add(env, batch, newest_before))
            batch.clear()
    if batch:
        report.add(*imports.add(env, batch, newest_before))


class _Report:
    """Counts, names bad lines at once, and shows on standard error how far it has come."""

    def __init__(self, *, as_json: bool) -> None:
        self.counts: Counter[str] = Counter()
        self._as_json = as_json
        self._began = time.monotonic()
        self._lively = sys.stderr.isatty()
        self._told = 0

    def add(self, *results: Result) -> None:
        for result in results:
            self.counts[result.outcome] += 1
            if result.outcome == "bad":
                self._name(result)
        self._show_progress()

    def finish(self) -> None:
        if self._lively:
            self._clear()
        counts = {outcome: self.counts[outcome] for outcome in ("imported", "skipped", "bad")}
        if self._as_json:
            print_json(counts)
        else:
            print(", ".join(f"{outcome} {count}" for outcome, count in counts.items()), flush=True)

    def _name(self, result: Result) -> None:
        if self._lively:
            self._clear()
        if self._as_json:
            print_json({"line": result.number, "reason": result.reason})
        else:
            print(f"line {result.number}: {result.reason}", file=sys.stderr)

    def _show_progress(self) -> None:
        done = self.counts.total()
        if self._lively or done - self._told >= TELL_EVERY_LINES:
            self._told = done
            rate = done / max(time.monotonic() - self._began, 0.001)
            end = "\r" if self._lively else "\n"
            print(f"{done:,} lines, {rate:,.0f} a second", end=end, file=sys.stderr, flush=True)

    def _clear(self) -> None:
        print("\r\x1b[K", end="", file=sys.stderr)


@contextmanager
def _opened_file(name: str) -> Iterator[BinaryIO]:
    if name == "-":
        yield sys.stdin.buffer
        return
    with open(name, "rb") as file:  # noqa: PTH123 -- as the person wrote it
        yield file
