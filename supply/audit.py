"""`make audit`: whether anything is known against what the locks hold, by a database that speaks OSV's language."""

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from supply.locked import LOCK, ROOT

DATABASE = "https://api.osv.dev/v1/query"
TIMEOUT_S = 15
LOCKS = (LOCK, ROOT / "requirements-native.lock")
_CAUSE = re.compile(r'Caused by \w+\("[^"]*?: ([^"]+)"\)')


class NoAnswer(Exception):
    """The database gave none, for this reason."""


def known_against(lock: Path, database: str) -> list[str]:
    """A line for each known vulnerability of what is locked. Raises NoAnswer."""
    tool = str(Path(sys.executable).with_name("pip-audit"))
    command = [tool, "--requirement", str(lock), "--disable-pip", "--format", "json"]
    told = ["--vulnerability-service", "osv", "--osv-url", database, "--timeout", str(TIMEOUT_S)]
    done = subprocess.run(  # noqa: S603 -- our own tool, with our own arguments
        [*command, *told, "--progress-spinner", "off"], capture_output=True, text=True, check=False
    )
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except ValueError as error:
        raise NoAnswer(_reason(done.stderr)) from error
    return [_line(package, found) for package in packages for found in package.get("vulns", [])]


def _reason(said: str) -> str:
    """The innermost cause in what pip-audit printed as it gave up, else its last line."""
    if causes := _CAUSE.findall(said):
        return str(causes[-1])
    return said.strip().rpartition("\n")[2]


def _line(package: dict[str, Any], found: dict[str, Any]) -> str:
    names = ", ".join([found["id"], *found["aliases"]])
    mended = " or ".join(found["fix_versions"])
    rest = f"mended in {mended}" if mended else "not mended yet"
    return f"{package['name']} {package['version']}: {names}: {rest}"


def main() -> None:
    """Exit with 1 when something is known or when the database gave no answer; only the first is a finding."""
    parser = argparse.ArgumentParser(prog="make audit")
    parser.add_argument("--database", default=DATABASE, help="URL of a query in OSV's language (%(default)s)")
    parser.add_argument("locks", nargs="*", type=Path, default=LOCKS)
    args = parser.parse_args()
    try:
        known = sorted({line for lock in args.locks for line in known_against(lock, args.database)})
    except NoAnswer as error:
        sys.exit(
            f"Nothing was checked: {args.database} gives no answer ({error}). "
            "Try again with a network, or name a database that is in reach: make audit OSV=http://host/v1/query"
        )
    if known:
        sys.exit("\n".join(known))
    print(f"Nothing is known against what is locked, says {args.database}")


if __name__ == "__main__":
    main()
