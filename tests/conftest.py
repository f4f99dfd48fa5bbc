"""Fixtures for all tests. Servers and templates start once a session, and only when a test asks for them."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import cast

import pytest
from hypothesis import settings
from playwright.sync_api import Browser, Page

from tests.support.browser import chromium, new_page
from tests.support.clock import FakeClock
from tests.support.console import Console
from tests.support.databases import (
    copied_postgresql,
    copied_sqlite,
    make_postgresql_template,
    make_sqlite_template,
)
from tests.support.postgres import PostgresServer, postgres_server
from tests.support.service import Service, running
from tests.support.smtp import SmtpCatcher, smtp_catcher

# The gate draws the same input every time, so that a change alone can break it; `make fuzz` looks for news.
settings.register_profile("gate", deadline=None, derandomize=True)
settings.register_profile("fuzz", deadline=None, max_examples=5_000, print_blob=True)
settings.load_profile("gate")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--crash-rounds", type=int, default=2, help="How often tests/test_crash.py kills the service.")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def smtp() -> Iterator[SmtpCatcher]:
    with smtp_catcher() as catcher:
        yield catcher


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


@pytest.fixture
def durable_postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL for one test, which may kill it."""
    with postgres_server(durable=True) as server:
        yield server


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from doorward.core.migrate import migrate  # noqa: PLC0415 -- tests of this infrastructure do without it

    return make_sqlite_template(tmp_path_factory.mktemp("template"), migrate)


@pytest.fixture(scope="session")
def postgresql_template(postgres: PostgresServer) -> str:
    from doorward.core.migrate import migrate  # noqa: PLC0415 -- see above

    return make_postgresql_template(postgres, migrate)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A migrated, empty database of its own for each test; the test runs once on either kind."""
    if request.param == "sqlite":
        with copied_sqlite(cast("Path", request.getfixturevalue("sqlite_template"))) as url:
            yield url
        return
    server = cast("PostgresServer", request.getfixturevalue("postgres"))
    template = cast("str", request.getfixturevalue("postgresql_template"))
    with copied_postgresql(server, template) as url:
        yield url


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with new_page(browser) as opened:
        yield opened


@pytest.fixture
def start(database_url: str, tmp_path: Path, clock: FakeClock, smtp: SmtpCatcher) -> Iterator[Callable[..., Service]]:
    """Starts the service with settings of the test's own: `start(refresh_rotation="strict")`."""
    with ExitStack() as stack:
        yield lambda **given: stack.enter_context(running(database_url, tmp_path, clock, smtp, **given))


@pytest.fixture
def service(start: Callable[..., Service]) -> Service:
    """The service with the default settings, on either database."""
    return start()


@pytest.fixture
def console(service: Service) -> Console:
    """An administrator at the console of the service."""
    return Console(service)
