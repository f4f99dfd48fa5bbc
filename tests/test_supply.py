"""What an installation is made of: the document that says so, the licences, what is known against it."""

import json
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from doorward import __version__
from supply.audit import FRAMES, LOCKS, UNRATED
from supply.cvss import base_score, severity_of
from supply.licences import is_welcome, licence_of
from supply.locked import LOCK, ROOT, locked
from supply.osv import MOST_BYTES, Hole, NoAnswer, holes_of
from supply.sbom import OURS, errors_in, sbom
from tests.support.servers import HOST, free_port

DAY = datetime(2026, 11, 25, tzinfo=UTC)
PACKAGE = {"name": "jinja2", "ecosystem": "PyPI"}
POLICY = (ROOT / "SECURITY.md").read_text("utf-8")
FOUND: dict[str, Any] = {
    "id": "GHSA-xxxx-yyyy-zzzz",
    "aliases": ["CVE-2026-0001"],
    "published": "2026-10-01T12:00:00Z",
    "modified": "2026-11-01T00:00:00.123456Z",
    "database_specific": {"severity": "HIGH"},
    "affected": [
        {
            "package": PACKAGE,
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.1"}]}],
        }
    ],
}
FIXED_BY_A_NUMBER = {"type": "ECOSYSTEM", "events": [{"fixed": 5}]}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    told: dict[str, Any] = json.loads(sbom(DAY))
    return told


@contextmanager
def database(answer: Callable[[dict[str, Any]], Any], status: int = 200) -> Iterator[str]:
    """The URL of one that answers a query so; what is text is sent as it is."""

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told = answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            body = (told if isinstance(told, str) else json.dumps(told)).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer((HOST, 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://{HOST}:{server.server_port}/v1/query"
        finally:
            server.shutdown()
            thread.join()


def about_jinja2(*records: dict[str, Any]) -> Callable[[dict[str, Any]], Any]:
    return lambda asked: {"vulns": records} if asked["package"] == {"name": "jinja2", "ecosystem": "PyPI"} else {}


def holes(*records: dict[str, Any]) -> list[Hole]:
    with database(about_jinja2(*records)) as url:
        return holes_of("jinja2", "3.1.6", url)


def audit(url: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "supply.audit", "--database", url, str(LOCK)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_document_is_what_cyclonedx_asks_for() -> None:
    assert errors_in(sbom(DAY)) is None
    assert errors_in('{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{"name": "x"}]}') is not None


def test_the_document_holds_what_is_locked_and_ourselves(document: dict[str, Any]) -> None:
    parts = {part.name: part for part in locked(LOCK)}
    assert {"sqlalchemy", "granian", "psycopg-binary", "flit-core"} <= set(parts)
    assert len(parts) == len(re.findall(r"^\w\S*==", LOCK.read_text(), re.MULTILINE)) - ("tzdata" not in parts)
    ours = document["metadata"]["component"]
    assert (ours["name"], ours["version"], ours["type"]) == (OURS, __version__, "application")
    assert {each["name"]: each["version"] for each in document["components"]} == {
        name: part.version for name, part in parts.items()
    }
    for each in document["components"]:
        assert each["purl"] == f"pkg:pypi/{each['name']}@{each['version']}"
        assert each["licenses"][0]["expression"]
        assert {told["value"] for told in each["properties"]} == set(parts[each["name"]].digests)


def test_each_part_is_there_because_something_asks_for_it(document: dict[str, Any]) -> None:
    asks = {each["ref"]: each.get("dependsOn", []) for each in document["dependencies"]}
    assert "sqlalchemy" in asks["alembic"]
    assert "psycopg-binary" in asks["psycopg"]
    reached, new = set(), {OURS}
    while new:
        reached |= new
        new = {each for name in new for each in asks[name]} - reached
    assert reached == {OURS} | {each["name"] for each in document["components"]}


def test_the_document_tells_what_wheels_have_compiled_in(document: dict[str, Any]) -> None:
    within = {each["name"]: each.get("components", []) for each in document["components"]}
    assert "openssl" in {each["name"] for each in within["cryptography"]}
    assert any(each.get("purl", "").startswith("pkg:cargo/") for each in within["granian"])


def test_the_same_date_gives_the_same_document() -> None:
    told = sbom(DAY)
    assert told == sbom(DAY)
    assert '"timestamp": "2026-11-25T00:00:00+00:00"' in told
    assert "file:" not in told


def test_every_package_that_is_asked_for_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    groups = [project["project"]["dependencies"], *project["project"]["optional-dependencies"].values()]
    groups += project["dependency-groups"].values()
    asked = {re.split(r"[^\w-]", each)[0] for group in groups for each in group if isinstance(each, str)}
    page = (ROOT / "docs" / "dependencies.md").read_text("utf-8")
    told = {name for row in re.findall(r"^\| ([^|]+) \|", page, re.MULTILINE) for name in row.split(", ")}
    assert asked <= told, "docs/dependencies.md lacks the reason"


@pytest.mark.parametrize(
    ("lock", "in_tools"),
    [("requirements.lock", False), ("requirements-otel.lock", False), ("requirements-dev.lock", True)],
)
def test_every_licence_is_known_and_welcome(lock: str, in_tools: bool) -> None:  # noqa: FBT001
    licences = {part.name: licence_of(part.name) for part in locked(ROOT / lock)}
    assert len(licences) > 20
    unwelcome = {name: each for name, each in licences.items() if not is_welcome(name, each, in_tools=in_tools)}
    assert not unwelcome


@pytest.mark.parametrize(
    ("package", "expression", "welcome"),
    [
        ("any", "MIT", True),
        ("any", "GPL-3.0-only", False),
        ("any", "GPL-3.0-only OR MIT", True),
        ("any", "GPL-3.0-only AND MIT", False),
        ("any", "MIT AND (AGPL-3.0-only OR Apache-2.0)", True),
        ("any", "LGPL-3.0-only", False),
        ("psycopg", "LGPL-3.0-only", True),
        ("any", "MPL-2.0", False),
    ],
)
def test_a_licence_is_welcome_by_its_terms(package: str, expression: str, welcome: bool) -> None:  # noqa: FBT001
    assert is_welcome(package, expression) == welcome


def days_ago(days: int) -> str:
    return f"{datetime.now(UTC) - timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}"


def test_a_hole_within_its_time_frame_is_told_and_passes() -> None:
    with database(about_jinja2(FOUND | {"published": days_ago(29)})) as url:
        done = audit(url)
    line, summary = done.stdout.splitlines()
    day = r"\d{4}-\d\d-\d\d"
    assert re.fullmatch(
        rf"jinja2 \S+: CVE-2026-0001, GHSA-xxxx-yyyy-zzzz: high, published {day}, mended in 99\.1: due by {day}", line
    )
    assert summary == f"1 known, none over the time frame of SECURITY.md, says {url}"
    assert (done.returncode, done.stderr) == (0, "")


def test_a_hole_over_its_time_frame_fails_and_the_one_that_is_due_first_comes_first() -> None:
    unmended = {"id": "PYSEC-2026-1", "published": days_ago(8), "database_specific": {"severity": "CRITICAL"}}
    with database(about_jinja2(FOUND | {"published": days_ago(31)}, unmended, FOUND | {"id": "GHSA-2"})) as url:
        done = audit(url)
    first, second = done.stdout.splitlines()
    # Two records of one hole are one line, and count from the first of them on.
    assert "CVE-2026-0001, GHSA-2, GHSA-xxxx-yyyy-zzzz: high, published 2026-10-01, mended in 99.1: OVER since" in first
    assert "PYSEC-2026-1: critical, published" in second
    assert ", not mended yet: OVER since" in second
    assert (done.returncode, done.stderr) == (1, "2 of 2 over the time frame of SECURITY.md: mend, and release\n")


def test_the_time_frames_are_those_of_the_policy() -> None:
    rows = re.findall(r"^\| (critical|high|moderate|low|not rated) \| (\d+) days \|", POLICY, re.MULTILINE)
    assert {word: timedelta(days=int(days)) for word, days in rows} == FRAMES | {"not rated": UNRATED}


@pytest.mark.parametrize(
    ("rated", "severity"),
    [
        ({"database_specific": {"severity": "MODERATE"}}, "moderate"),
        ({"database_specific": {"severity": "low"}}, "low"),
        ({"database_specific": {"severity": "?"}}, None),
        ({}, None),
        ({"severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]}, "critical"),
        ({"severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N"}]}, None),
        ({"severity": [{"type": "CVSS_V4", "score": "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H"}]}, None),
        # The words of those who looked at it go before a vector.
        (
            {
                "database_specific": {"severity": "LOW"},
                "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
            },
            "low",
        ),
        (
            {"affected": [{"package": PACKAGE, "ecosystem_specific": {"severity": "HIGH"}}]},
            "high",
        ),
        (
            {"affected": [{"package": PACKAGE | {"name": "other"}, "ecosystem_specific": {"severity": "HIGH"}}]},
            None,
        ),
    ],
)
def test_the_severity_is_that_of_the_record(rated: dict[str, Any], severity: str | None) -> None:
    (hole,) = holes({"id": "PYSEC-2026-1", "modified": "2026-11-01T00:00:00.897560893Z"} | rated)
    assert hole.severity == severity
    assert hole.published == datetime(2026, 11, 1, 0, 0, 0, 897560, tzinfo=UTC)


@pytest.mark.parametrize(
    ("vector", "score", "severity"),  # those of FIRST's own examples, and the ends of the scale
    [
        ("CVSS:3.0/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", 6.1, "moderate"),
        ("CVSS:3.0/AV:N/AC:L/PR:L/UI:N/S:C/C:L/I:L/A:N", 6.4, "moderate"),
        ("CVSS:3.0/AV:N/AC:H/PR:N/UI:R/S:U/C:L/I:N/A:N", 3.1, "low"),
        ("CVSS:3.0/AV:N/AC:L/PR:L/UI:N/S:C/C:H/I:H/A:H", 9.9, "critical"),
        ("CVSS:3.0/AV:L/AC:L/PR:N/UI:R/S:U/C:H/I:H/A:H", 7.8, "high"),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N", 7.5, "high"),
        ("CVSS:3.1/AV:A/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 8.8, "high"),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H/E:P", 10.0, "critical"),
        ("CVSS:3.1/AV:P/AC:H/PR:H/UI:R/S:U/C:N/I:N/A:N", 0.0, "low"),
    ],
)
def test_a_vectors_score_is_that_of_the_specification(vector: str, score: float, severity: str) -> None:
    assert base_score(vector) == score
    assert severity_of(score) == severity


def test_two_records_of_one_hole_are_one_with_the_worst_and_the_first_of_each() -> None:
    one = FOUND | {"aliases": ["CVE-1"], "database_specific": {"severity": "LOW"}}
    two = {"id": "PYSEC-1", "aliases": ["CVE-2"], "published": "2026-09-01T00:00:00Z"}
    both = FOUND | {"id": "OSV-1", "aliases": ["CVE-2", "CVE-1"], "affected": []}
    (hole,) = holes(one, two, both)
    assert hole.names == {"GHSA-xxxx-yyyy-zzzz", "CVE-1", "PYSEC-1", "CVE-2", "OSV-1"}
    assert (hole.severity, hole.published.month, hole.versions()) == ("high", 9, ["99.1"])


def test_all_pages_are_read_and_what_was_withdrawn_is_left_out() -> None:
    pages = {None: ({"id": "A-1"}, "second"), "second": ({"id": "A-2"}, "third"), "third": ({"id": "A-3"}, None)}
    gone = {"id": "A-4", "modified": "2026-11-01T00:00:00Z", "withdrawn": "2026-11-02T00:00:00Z"}

    def answer(asked: dict[str, Any]) -> Any:
        record, token = pages[asked.get("page_token")]
        return {"vulns": [record | {"modified": "2026-11-01T00:00:00Z"}, gone], "next_page_token": token}

    with database(answer) as url:
        assert [hole.names for hole in holes_of("jinja2", "3.1.6", url)] == [{"A-1"}, {"A-2"}, {"A-3"}]


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "no JSON",
        [],
        {"vulns": [{}]},
        {"vulns": [{"id": "A-1"}]},
        {"vulns": [{"id": "A-1", "modified": "yesterday"}]},
        {"vulns": [FOUND | {"affected": [{}]}]},
        {"vulns": 1},
        {"status": "ok"},
        "[" * 100_000,
        " " * (MOST_BYTES + 1),
        {"vulns": [FOUND | {"id": "A-1\nNothing is known"}]},
        {"vulns": [FOUND | {"id": "A-1\x1b[2K"}]},
        {"vulns": [FOUND | {"aliases": [1]}]},
        {"vulns": [FOUND | {"affected": [{"package": PACKAGE, "ranges": [FIXED_BY_A_NUMBER]}]}]},
        {"vulns": [FOUND | {"published": "9999-12-31T23:59:59Z"}]},
        {"vulns": [FOUND | {"published": "0001-01-01T00:00:00+14:00"}]},
        {"vulns": [], "next_page_token": "again"},
    ],
    ids=lambda answer: str(answer)[:80],
)
def test_an_answer_that_can_t_be_read_is_none(answer: Any) -> None:
    with database(lambda _: answer) as url, pytest.raises(NoAnswer):
        holes_of("jinja2", "3.1.6", url)


def test_it_is_asked_about_all_that_an_installation_may_hold() -> None:
    asked = {part.name for lock in LOCKS for part in locked(lock)}
    assert asked >= {"granian", "opentelemetry-sdk", "argon2-cffi-bindings"}


def test_nothing_known_is_told() -> None:
    with database(about_jinja2()) as url:
        done = audit(url)
    assert (done.returncode, done.stdout.strip()) == (0, f"Nothing is known against what is locked, says {url}")


def test_a_database_out_of_reach_is_told_in_one_line() -> None:
    with database(about_jinja2(), status=500) as broken:
        for url in (broken, f"http://{HOST}:{free_port()}/v1/query", "file:///etc/hostname"):
            done = audit(url)
            assert done.returncode == 1
            assert done.stderr.startswith(f"Nothing was checked: {url} gives no answer (")
            assert done.stderr.count("\n") == 1
            assert "make audit OSV=" in done.stderr
