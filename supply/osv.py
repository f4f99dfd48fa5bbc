"""What a database that speaks OSV's language (https://ossf.github.io/osv-schema/) knows against a package."""

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from supply.cvss import Severity, base_score, severity_of

TIMEOUT_S = 15
MOST_PAGES = 100
"""About one package: a database that names a next page each time would be asked without an end."""
MOST_BYTES = 16 * 2**20
"""Of one answer; a package has some hundreds of KB known against it, if much."""
CLOCKS_APART = timedelta(days=1)
WORDS: dict[str, Severity] = {
    "CRITICAL": "critical",
    "HIGH": "high",
    "MODERATE": "moderate",
    "MEDIUM": "moderate",
    "LOW": "low",
}
"""How those who file holes call a severity."""
RANKS: tuple[Severity, ...] = ("critical", "high", "moderate", "low")
"""The worst first."""


class NoAnswer(Exception):
    """The database gave none that can be read, for this reason."""


@dataclass(frozen=True)
class Hole:
    """A known hole: all its names, its worst severity, when the first word of it came out, and what mends it.

    `severity` is None where nobody has rated it, or only by a scale that is not read here (CVSS 4).
    """

    names: frozenset[str]
    severity: Severity | None
    published: datetime
    mended_in: frozenset[str]

    def merged(self, other: "Hole") -> "Hole":
        """The same hole, as two have filed it."""
        return Hole(
            self.names | other.names,
            _worst({self.severity, other.severity}),
            min(self.published, other.published),
            self.mended_in | other.mended_in,
        )

    def versions(self) -> list[str]:
        """Those that mend it, the lowest first."""
        return sorted(self.mended_in, key=_in_order)


def holes_of(name: str, version: str, database: str) -> list[Hole]:
    """What is known against this version of a package of PyPI. Raises NoAnswer."""
    found: list[Hole] = []
    try:
        for record in _records(name, version, database):
            hole = _hole(name, record)
            same = [each for each in found if each.names & hole.names]
            for each in same:
                found.remove(each)
                hole = hole.merged(each)
            found.append(hole)
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError, RecursionError) as error:
        raise NoAnswer(f"a record that can't be read: {type(error).__name__} {error}") from error
    return found


def _records(name: str, version: str, database: str) -> Iterator[Mapping[str, Any]]:
    """All that the database gives, page by page, but what was withdrawn."""
    asked: dict[str, Any] = {"package": {"name": name, "ecosystem": "PyPI"}, "version": version}
    for _ in range(MOST_PAGES):
        answer = _ask(asked, database)
        if answer and not answer.keys() & {"vulns", "next_page_token"}:
            # Of something else at that address. That nothing is known is said by nothing at all: {}.
            raise NoAnswer("it is not in OSV's language")
        for record in answer.get("vulns", []):
            if not record.get("withdrawn"):
                yield record
        asked["page_token"] = answer.get("next_page_token")
        if not asked["page_token"]:
            return
    raise NoAnswer(f"more than {MOST_PAGES} pages about {name}")


def _ask(asked: Mapping[str, Any], database: str) -> dict[str, Any]:
    if not database.startswith(("http://", "https://")):
        raise NoAnswer("no http URL")
    request = urllib.request.Request(  # noqa: S310 -- the scheme was looked at
        database, json.dumps(asked).encode(), {"Content-Type": "application/json", "User-Agent": "doorward-audit"}
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310 -- as above
            body = answer.read(MOST_BYTES + 1)
    except urllib.error.HTTPError as error:
        error.close()
        raise NoAnswer(f"status {error.code}") from error
    except urllib.error.URLError as error:
        raise NoAnswer(str(error.reason)) from error
    except (OSError, http.client.HTTPException) as error:
        raise NoAnswer(str(error) or type(error).__name__) from error
    if len(body) > MOST_BYTES:
        raise NoAnswer(f"it is larger than {MOST_BYTES >> 20} MiB")
    read: dict[str, Any] = json.loads(body)
    return read


def _hole(name: str, record: Mapping[str, Any]) -> Hole:
    affected = [each for each in record.get("affected", []) if _is_of(each, name)]
    return Hole(
        frozenset(_word(each) for each in [record["id"], *record.get("aliases", [])]),
        _severity([record, *affected]),
        # The schema asks for the latter alone.
        _time(record.get("published") or record["modified"]),
        frozenset(
            _word(event["fixed"])
            for each in affected
            for within in each.get("ranges", [])
            if within["type"] == "ECOSYSTEM"
            for event in within["events"]
            if "fixed" in event
        ),
    )


def _severity(rated: list[Mapping[str, Any]]) -> Severity | None:
    """By the words of those who filed it, else by its CVSS vectors of version 3; of several the worst."""
    words = {
        str(each.get(where, {}).get("severity", "")).upper()
        for each in rated
        for where in ("database_specific", "ecosystem_specific")
    }
    vectors = [score["score"] for each in rated for score in each.get("severity", []) if score["type"] == "CVSS_V3"]
    found: set[Severity | None] = {WORDS[word] for word in words & set(WORDS)}
    return _worst(found or {_by_vector(vector) for vector in vectors})


def _worst(found: set[Severity | None]) -> Severity | None:
    return next((each for each in RANKS if each in found), None)


def _by_vector(vector: str) -> Severity | None:
    try:
        return severity_of(base_score(vector))
    except ValueError:
        return None


def _is_of(affected: Mapping[str, Any], name: str) -> bool:
    package = affected["package"]
    return bool(package["ecosystem"] == "PyPI" and canonicalize_name(package["name"]) == canonicalize_name(name))


def _word(value: Any) -> str:
    """A name or a version, which stands in a line: one with a line's end in it would tell lines of its own."""
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError(repr(value))
    return value


def _time(text: str) -> datetime:
    """RFC 3339; the schema's times are of UTC."""
    time = datetime.fromisoformat(text).astimezone(UTC)
    if time > datetime.now(UTC) + CLOCKS_APART:
        # It would never be due.
        raise ValueError(f"{text} is yet to come")
    return time


def _in_order(version: str) -> tuple[bool, Version, str]:
    try:
        return False, Version(version), version
    except InvalidVersion:
        return True, Version("0"), version
