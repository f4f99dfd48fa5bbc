"""What an installation is made of: the document that says so, the licences, what is known against it."""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from doorward import __version__
from supply.licences import is_welcome, licence_of
from supply.locked import LOCK, ROOT, locked
from supply.sbom import OURS, errors_in, sbom
from tests.support.servers import HOST, free_port

DAY = datetime(2026, 11, 25, tzinfo=UTC)
FOUND = {
    "id": "GHSA-xxxx-yyyy-zzzz",
    "aliases": ["CVE-2026-0001"],
    "affected": [
        {
            "package": {"name": "jinja2", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.1"}]}],
        }
    ],
}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    told: dict[str, Any] = json.loads(sbom(DAY))
    return told


@contextmanager
def database(findings: Mapping[str, list[dict[str, Any]]], status: int = 200) -> Iterator[str]:
    """The URL of one that knows this of packages, by their names."""

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            found = findings.get(asked["package"]["name"])
            body = json.dumps({"vulns": found} if found else {}).encode()
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


def test_what_is_known_is_told_with_the_version_that_mends_it() -> None:
    with database({"jinja2": [FOUND]}) as url:
        done = audit(url)
    assert done.returncode == 1
    assert re.fullmatch(r"jinja2 \S+: CVE-2026-0001, GHSA-xxxx-yyyy-zzzz: mended in 99\.1\n", done.stderr)


def test_nothing_known_is_told() -> None:
    with database({}) as url:
        done = audit(url)
    assert (done.returncode, done.stdout.strip()) == (0, f"Nothing is known against what is locked, says {url}")


def test_a_database_out_of_reach_is_told_in_one_line() -> None:
    with database({}, status=500) as broken:
        for url in (broken, f"http://{HOST}:{free_port()}/v1/query"):
            done = audit(url)
            assert done.returncode == 1
            assert done.stderr.startswith(f"Nothing was checked: {url} gives no answer (")
            assert done.stderr.count("\n") == 1
            assert "make audit OSV=" in done.stderr
