"""Inject every fault into every flow, audit the database after each, and print the tables: `python -m tests.faults`.

`--write` puts them into docs/security/faults.md; words pick flows by their names. Ends with 1 when anything did not
hold.
"""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from bench.page import fill, markdown
from bench.servers import ROOT
from doorward.core.sqlite_file import find_damage
from doorward.events.chain import Chain
from doorward.events.verify import verify
from tests.faults.clocks import HOUR_S, with_clock, with_clock_afterwards
from tests.faults.damages import DAMAGES
from tests.faults.disks import (
    filled,
    limited,
    small_disk,
    start_on_read_only_folder,
    with_full_disk,
    with_read_only_folder,
)
from tests.faults.flows import FLOWS, Flow
from tests.faults.kills import each_step, kill_database, kill_server, on_postgresql, on_sqlite
from tests.faults.mails import kill_worker, with_mail_server
from tests.faults.stage import Outcome, Stage
from tests.support.postgres import PostgresServer, postgres_server
from tests.support.smtp import SmtpCatcher, smtp_catcher

PAGE = ROOT / "docs" / "security" / "faults.md"
Cell = Callable[[Stage, Flow], str]

MAIL_SERVERS: dict[str, Callable[[SmtpCatcher], None]] = {
    "refuses for now": lambda smtp: smtp.refuse("451 4.3.0 Not now"),
    "refuses for good": lambda smtp: smtp.refuse("550 5.1.1 Nobody", at="RCPT"),
    "hangs": lambda smtp: smtp.hang(),
    "breaks off": lambda smtp: smtp.drop(),
    "takes the mail, then breaks off": lambda smtp: smtp.drop("QUIT"),
}


class Faults:
    """Fills cells; one that does not hold is told at once and counted."""

    def __init__(self, flows: Sequence[Flow]) -> None:
        self.flows = flows
        self.failed = 0

    def table(self, head: Sequence[str], stages: Sequence[Stage | None], cells: Sequence[Cell]) -> str:
        """A row a flow, a column a fault."""
        rows = []
        for flow in self.flows:
            row = [flow.name]
            for stage, cell in zip(stages, cells, strict=True):
                row.append("not here" if stage is None else self.cell(flow, partial(cell, stage)))
            tell(row)
            rows.append(row)
        return markdown(head, rows, words=len(head))

    def cell(self, flow: Flow, fault: Callable[[Flow], str]) -> str:
        try:
            return fault(flow)
        except Exception as error:  # noqa: BLE001 -- whatever did not hold is told in the table
            self.failed += 1
            tell([flow.name, repr(error)])
            return f"**FAILED** {type(error).__name__}"


def main() -> int:
    """Run all and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"put the tables into {PAGE.relative_to(ROOT)}")
    parser.add_argument("flows", nargs="*", help="words in the names of flows")
    args = parser.parse_args()
    faults = Faults([flow for flow in FLOWS if not args.flows or any(word in flow.name for word in args.flows)])
    with stages() as (sqlite, small, postgresql):
        tables = {
            "kills": kills(faults, sqlite, postgresql),
            "workers": workers([sqlite, postgresql]),
            "disk": disk(faults, sqlite, small),
            "clock": clock(faults, sqlite),
            "mail": mail(faults, sqlite),
            "start": start(sqlite),
        }
        for each in (sqlite, postgresql):
            chain_holds(each)
    if args.write:
        for name, table in tables.items():
            fill(name, table, PAGE)
    return 1 if faults.failed else 0


@contextmanager
def stages() -> Iterator[tuple[Stage, Stage | None, Stage]]:
    """On SQLite, on SQLite where the disk is small (if this machine has such a one), and on PostgreSQL."""
    with ExitStack() as stack:
        base = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        smtp = stack.enter_context(smtp_catcher())
        postgres: PostgresServer = stack.enter_context(postgres_server(durable=True))
        folders = [base / name for name in ("sqlite", "small", "postgresql")]
        for folder in folders:
            folder.mkdir(mode=0o700)
        is_small = stack.enter_context(small_disk(folders[1]))
        yield (
            stack.enter_context(on_sqlite(folders[0], smtp)),
            stack.enter_context(on_sqlite(folders[1], smtp)) if is_small else None,
            stack.enter_context(on_postgresql(folders[2], smtp, postgres)),
        )


def kills(faults: Faults, sqlite: Stage, postgresql: Stage) -> str:
    head = ["asked", "server on SQLite", "server on PostgreSQL", "PostgreSQL"]
    cells: list[Cell] = [
        lambda stage, flow: steps(each_step(kill_server, stage, flow)),
        lambda stage, flow: steps(each_step(kill_server, stage, flow)),
        lambda stage, flow: steps(each_step(kill_database, stage, flow)),
    ]
    return faults.table(head, [sqlite, postgresql, postgresql], cells)


def steps(outcomes: Sequence[Outcome]) -> str:
    """How many steps there were, and what was found after the kills at them."""
    if not outcomes:
        return "one read, nothing to lose"
    counted = Counter(outcome.state for outcome in outcomes)
    return f"{len(outcomes)}: " + ", ".join(f"{count} {state}" for state, count in counted.items())


def workers(stages: Sequence[Stage]) -> str:
    rows = []
    for stage in stages:
        outcomes: list[Outcome] = []
        while (outcome := kill_worker(stage, len(outcomes) + 1)) is not None:
            outcomes.append(outcome)
        twice = sum(outcome.status == 2 for outcome in outcomes)
        rows.append([stage.url.partition(":")[0], str(len(outcomes)), str(len(outcomes) - twice), str(twice)])
        tell(rows[-1])
    return markdown(["worker on", "steps", "mail came once", "twice, with the same Message-ID"], rows)


def disk(faults: Faults, sqlite: Stage, small: Stage | None) -> str:
    head = ["asked", "disk full (ENOSPC)", "no file may grow (EFBIG)", "folder read-only"]
    cells: list[Cell] = [
        lambda stage, flow: str(with_full_disk(stage, flow, filled)),
        lambda stage, flow: str(with_full_disk(stage, flow, limited)),
        lambda stage, flow: str(with_read_only_folder(stage, flow)),
    ]
    return faults.table(head, [small, sqlite, sqlite], cells)


def clock(faults: Faults, sqlite: Stage) -> str:
    head = ["asked", "an hour on", "an hour back", "again, an hour on", "again, an hour back"]
    cells: list[Cell] = [
        lambda stage, flow: with_clock(stage, flow, HOUR_S),
        lambda stage, flow: with_clock(stage, flow, -HOUR_S),
        lambda stage, flow: str(with_clock_afterwards(stage, flow, HOUR_S)),
        lambda stage, flow: str(with_clock_afterwards(stage, flow, -HOUR_S)),
    ]
    return faults.table(head, [sqlite] * len(cells), cells)


def mail(faults: Faults, sqlite: Stage) -> str:
    """Of the flows that mail."""
    mailing = Faults([flow for flow in faults.flows if flow.mails])
    cells: list[Cell] = [
        lambda stage, flow, misbehave=misbehave: f"{with_mail_server(stage, flow, misbehave)} came"  # type: ignore[misc]
        for misbehave in MAIL_SERVERS.values()
    ]
    table = mailing.table(["asked", *MAIL_SERVERS], [sqlite] * len(cells), cells)
    faults.failed += mailing.failed
    return table


def start(sqlite: Stage) -> str:
    """What a start says of each."""
    good = Path(sqlite.url.removeprefix("sqlite:///")).read_bytes()
    damaged = sqlite.folder / "damaged.db"
    rows = []
    for name, damage in DAMAGES.items():
        damaged.write_bytes(damage(good))
        rows.append([name, f"the database file is damaged ({find_damage(damaged)})"])
    said = start_on_read_only_folder(sqlite, FLOWS[0]).strip()
    rows.append(["the folder and its files read-only", said.removeprefix("doorward: ")])
    return markdown(["the file", "the one line"], rows, words=2)


def chain_holds(stage: Stage) -> None:
    """Of all that happened, no event is gone. Raises AssertionError."""
    with stage.service(FLOWS[0]) as service:
        chain = Chain(service.doorward.env.db, service.doorward.env.vault)
        while chain.seal():
            pass
        verdict = verify(chain)
        assert verdict.broken is None, verdict
        tell([stage.url.partition(":")[0], f"{verdict.checked} events in an unbroken chain"])


def tell(cells: Sequence[str]) -> None:
    """Show a line as soon as it is known."""
    sys.stdout.write(" | ".join(cells) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
