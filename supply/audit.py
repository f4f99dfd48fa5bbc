"""`make audit`: what is known against what the locks hold, and whether it is over its time.

Who knows is a database that speaks OSV's language; the time frames are those of SECURITY.md.
"""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from supply.cvss import Severity
from supply.locked import LOCK, ROOT, locked
from supply.osv import Hole, NoAnswer, holes_of

DATABASE = "https://api.osv.dev/v1/query"
LOCKS = (LOCK, ROOT / "requirements-otel.lock", ROOT / "requirements-native.lock")
"""All that an installation may hold."""
FRAMES: dict[Severity, timedelta] = {
    "critical": timedelta(days=7),
    "high": timedelta(days=30),
    "moderate": timedelta(days=90),
    "low": timedelta(days=180),
}
"""From the day that a hole is published; SECURITY.md tells them (a test holds the two against each other)."""
UNRATED = FRAMES["high"]


def due(hole: Hole) -> datetime:
    """Until when a release has to be without it."""
    return hole.published + (UNRATED if hole.severity is None else FRAMES[hole.severity])


def told(package: str, hole: Hole, now: datetime) -> str:
    """The line about it."""
    names = ", ".join(sorted(hole.names))
    mended = f"mended in {' or '.join(hole.versions())}" if hole.mended_in else "not mended yet"
    when = f"OVER since {due(hole):%Y-%m-%d}" if now >= due(hole) else f"due by {due(hole):%Y-%m-%d}"
    return f"{package}: {names}: {hole.severity or 'not rated'}, published {hole.published:%Y-%m-%d}, {mended}: {when}"


def known(locks: Sequence[Path], database: str) -> list[tuple[str, Hole]]:
    """Each hole with the package that has it, the one that is due first at the head. Raises NoAnswer."""
    parts = sorted({(part.name, part.version) for lock in locks for part in locked(lock)})
    found = [(f"{name} {version}", hole) for name, version in parts for hole in holes_of(name, version, database)]
    return sorted(found, key=lambda each: (due(each[1]), each[0]))


def main() -> None:
    """Exit with 1 when a hole is over its time frame, or when the database gave no answer."""
    parser = argparse.ArgumentParser(prog="make audit")
    parser.add_argument("--database", default=DATABASE, help="URL of a query in OSV's language (%(default)s)")
    parser.add_argument("locks", nargs="*", type=Path, default=LOCKS)
    args = parser.parse_args()
    now = datetime.now(UTC)
    try:
        found = known(args.locks, args.database)
    except NoAnswer as error:
        sys.exit(
            f"Nothing was checked: {args.database} gives no answer ({error}). "
            "Try again with a network, or name a database that is in reach: make audit OSV=http://host/v1/query"
        )
    for package, hole in found:
        print(told(package, hole, now))
    over = sum(now >= due(hole) for _, hole in found)
    if over:
        sys.exit(f"{over} of {len(found)} over the time frame of SECURITY.md: mend, and release")
    if found:
        print(f"{len(found)} known, none over the time frame of SECURITY.md, says {args.database}")
    else:
        print(f"Nothing is known against what is locked, says {args.database}")


if __name__ == "__main__":
    main()
