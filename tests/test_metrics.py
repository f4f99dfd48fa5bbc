"""`/metrics`: what is so at this moment, and that the dashboard and the alerts ask for nothing that is not there."""

import json
import os
import re
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml  # type: ignore[import-untyped]

from doorward.core.errors import CATALOGUE
from doorward.mail import outbox
from doorward.mail.outbox import OLDEST
from tests.support.clock import FakeClock
from tests.support.databases import copied_sqlite
from tests.support.postgres import PostgresServer
from tests.support.servers import Server, environment, wait_until
from tests.support.service import EMAIL, Service, running
from tests.support.smtp import SmtpCatcher

ROOT = Path(__file__).parents[1]
RULES = ROOT / "deploy/prometheus/alerts.yml"
DASHBOARD = ROOT / "deploy/grafana/doorward.json"


def figures(page: str) -> dict[str, float]:
    """What each series says, by its name and labels as they are written."""
    return {name: float(value) for name, value in re.findall(r"^(doorward_\S+) (\S+)$", page, re.MULTILINE)}


def scraped(service: Service) -> dict[str, float]:
    answer = service.call("GET", "/metrics")
    assert answer.status_code == 200, answer.text
    return figures(answer.text)


def test_the_age_of_the_outbox_is_that_of_its_oldest_mail(service: Service) -> None:
    service.add_user()
    assert scraped(service)["doorward_outbox_oldest_seconds"] == 0
    for wait_s in (90, 70):
        assert service.call("POST", "/user/password/reset/send", json={"email": EMAIL}).status_code == 204
        service.clock.advance(wait_s)
    assert scraped(service)["doorward_outbox_oldest_seconds"] == 160
    service.deliver()
    assert scraped(service)["doorward_outbox_oldest_seconds"] == 0


def test_a_mail_that_was_given_up_does_not_wait(service: Service) -> None:
    service.add_user()
    assert service.call("POST", "/user/password/reset/send", json={"email": EMAIL}).status_code == 204
    service.clock.advance(90)
    assert scraped(service)["doorward_outbox_oldest_seconds"] == 90
    with service.doorward.env.db.write() as tx:
        (mail,) = outbox.page(tx, 10)
        outbox.keep_as_failed(tx, mail.id, "undeliverable")
    assert scraped(service)["doorward_outbox_oldest_seconds"] == 0


def test_the_oldest_mail_is_found_among_a_thousand_by_an_index(service: Service) -> None:
    with service.doorward.env.db.read() as tx:
        oldest, _ = OLDEST.for_driver(tx.connection.dialect, {})
        if tx.dialect == "sqlite":
            plan = " ".join(row[3] for row in tx.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {oldest}"))
            assert "SEARCH outbox USING INDEX ix_outbox_next_attempt_at" in plan
            assert "TEMP B-TREE" not in plan
        else:
            tx.connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
            tx.connection.exec_driver_sql("SET LOCAL enable_sort = off")
            plan = " ".join(row[0] for row in tx.connection.exec_driver_sql(f"EXPLAIN {oldest}"))
            assert "Index Scan using ix_outbox_next_attempt_at" in plan
            assert "Limit" in plan


def test_hashes_that_wait_are_told(service: Service) -> None:
    hasher, finish = service.doorward.env.hasher, threading.Event()
    threads = [threading.Thread(target=hasher._run, args=(lambda: finish.wait(30),)) for _ in range(5)]
    for thread in threads:
        thread.start()
    wait_until(lambda: hasher._calls == 5)
    try:
        told, hash_s = scraped(service), hasher._hash_s
    finally:
        finish.set()
        for thread in threads:
            thread.join()
    assert told["doorward_hashes_waiting"] == 3
    assert told["doorward_hash_wait_seconds"] == 4 * hash_s / 2
    assert scraped(service)["doorward_hashes_waiting"] == 0


def test_connections_in_use_are_told_with_how_many_may_be(service: Service) -> None:
    db = service.doorward.env.db
    with db.read(), db.read():
        told = scraped(service)
    assert told['doorward_database_connections{kind="transactions"}'] == 2
    assert told['doorward_database_connections{kind="hot"}'] == 0
    assert told['doorward_database_connections_limit{kind="transactions"}'] == 8
    assert told['doorward_database_connections_limit{kind="hot"}'] == 8


def test_a_database_that_is_away_is_told_and_the_rest_goes_on(
    postgres: PostgresServer, postgresql_template: str, tmp_path: Path, clock: FakeClock, smtp: SmtpCatcher
) -> None:
    url = postgres.create_database("lost", postgresql_template)
    with running(url, tmp_path, clock, smtp) as service:
        assert scraped(service)["doorward_database_up"] == 1
        postgres.drop_database("lost")
        told = scraped(service)
    assert told["doorward_database_up"] == 0
    assert told["doorward_hashes_waiting"] == 0


def test_the_processes_of_a_server_add_up_and_dead_ones_are_forgotten(
    sqlite_template: Path, tmp_path: Path, smtp: SmtpCatcher
) -> None:
    limit = 'doorward_database_connections_limit{kind="hot"}'
    with copied_sqlite(sqlite_template) as url:
        server = Server(environment(url, tmp_path / "data", smtp), tmp_path / "log", workers=2).start()
        try:
            wait_until(lambda: figures(httpx.get(f"{server.url}/metrics").text)[limit] == 16)
            first = server.workers()
            os.kill(min(first), signal.SIGKILL)
            wait_until(lambda: len(server.workers()) == 2 and server.workers() != first)
            noted = tmp_path / "data" / "metrics"
            wait_until(lambda: all((noted / f"gauge_livesum_{pid}.db").exists() for pid in server.workers()))
            wait_until(lambda: figures(httpx.get(f"{server.url}/metrics").text)[limit] == 16)
            assert noted.parent.stat().st_mode & 0o777 == 0o700
            assert {int(path.stem.rpartition("_")[2]) for path in noted.glob("gauge_live*.db")} == server.workers()
        finally:
            server.stop()


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return found


def alerts() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(RULES.read_text())["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def asked() -> list[str]:
    """Every expression of the dashboard and the alerts."""
    queries = [each["query"] for each in json.loads(DASHBOARD.read_text())["templating"]["list"][1:]]
    shown = [target["expr"] for panel in panels() for target in panel.get("targets", [])]
    return [*shown, *(each["query"] for each in queries), *(each["expr"] for each in alerts())]


def test_dashboard_and_alerts_ask_for_what_is_there(start: Callable[..., Service], tmp_path: Path) -> None:
    service = start(event_lines=str(tmp_path / "events.jsonl"))
    service.add_user()
    assert service.call("POST", "/auth/login", json={"username": EMAIL, "password": "wrong"}).status_code == 401
    assert service.call("POST", "/user/password/reset/send", json={"email": EMAIL}).status_code == 204
    service.deliver()
    for worker in (service.doorward.events, *service.doorward.forwarders):
        worker.run_once()
    page = service.call("GET", "/metrics").text
    there = set(re.findall(r"^(doorward_\w+)", page, re.MULTILINE))
    wanted = {name for each in asked() for name in re.findall(r"\bdoorward_\w+", each)}
    assert len(wanted) > 8
    assert wanted <= there
    kept = {each for each in there if each.startswith("doorward_") and not each.endswith(("_created", "_sum"))}
    assert kept == wanted | {"doorward_request_seconds_count", "doorward_request_seconds_bucket"}
    labels = set(re.findall(r'[{,](\w+)="', page)) | {"job", "instance"}
    for each in asked():
        for said in re.findall(r"by \(([\w, ]+)\)", each):
            assert set(said.split(", ")) <= labels, each
        assert set(re.findall(r"[{ ,](\w+)=~?\"", each)) <= labels, each
        for codes in re.findall(r'code=~"([A-Z_|]+)"', each):
            assert set(codes.split("|")) <= set(CATALOGUE), each


def test_each_panel_has_a_number_and_a_place_of_its_own() -> None:
    assert len({panel["id"] for panel in panels()}) == len(panels())
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels()]
    assert len(set(places)) == len(places)
    assert all(panel["description"] for panel in panels() if panel["type"] != "row")


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: str(alert["alert"]))
def test_each_alert_says_what_is_wrong_and_the_page_what_to_do(alert: dict[str, Any]) -> None:
    assert alert["annotations"]["summary"]
    assert alert["labels"]["severity"] in {"critical", "warning"}
    assert f"| `{alert['alert']}` | " in (ROOT / "docs/operations.md").read_text()
