"""The API reference and the development inbox, as a person sees them."""

import re
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.support.development import Development, development


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Development]:
    with development(tmp_path_factory.mktemp("dev")) as running:
        yield running


@pytest.fixture
def quiet(page: Page, dev: Development) -> Iterator[Page]:
    """A page that asks no other host for anything, and whose console says nothing is wrong."""
    elsewhere: list[str] = []
    faults: list[str] = []
    page.on("request", lambda request: None if request.url.startswith(dev.url) else elsewhere.append(request.url))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    yield page
    assert [url for url in elsewhere if not url.startswith("data:")] == []
    assert faults == []


def test_a_deep_link_of_the_reference_opens_its_operation(dev: Development, quiet: Page) -> None:
    quiet.goto(f"{dev.url}/docs#/Authentication/accesstoken")
    operation = quiet.locator("#operations-Authentication-accesstoken")
    expect(operation).to_have_class(re.compile("is-open"))
    expect(operation.get_by_text("Get a new access token for a refresh token")).to_be_visible()


def test_the_reference_lists_all_operations_and_calls_them(dev: Development, quiet: Page) -> None:
    quiet.goto(f"{dev.url}/docs")
    expect(quiet.locator(".opblock")).to_have_count(28)
    operation = quiet.locator("#operations-Authentication-login")
    operation.locator(".opblock-summary-control").click()
    body = f'{{"username": "you@example.org", "password": "{dev.password}"}}'
    operation.locator("textarea").fill(body)
    operation.get_by_role("button", name="Execute").click()
    expect(operation.locator(".live-responses-table td.response-col_status:not(.col_header)").first).to_contain_text(
        "200"
    )


def test_the_inbox_shows_a_mail_as_text_and_as_html(dev: Development, quiet: Page) -> None:
    quiet.goto(f"{dev.url}/dev/inbox")
    expect(quiet.get_by_text("No mail yet")).to_be_visible()
    httpx.post(f"{dev.url}/user/password/reset/send", json={"email": "you@example.org"}).raise_for_status()
    subject = quiet.get_by_role("link", name=re.compile("password", re.IGNORECASE))
    expect(quiet.get_by_role("heading", name="Inbox")).to_be_visible()
    while not subject.is_visible():
        quiet.reload()
    subject.click()
    code = quiet.locator("pre").inner_text()
    assert re.search(r"\b\d{6}\b", code)
    expect(quiet.frame_locator("iframe").get_by_text(re.compile(r"^\s*\d{6}\s*$"))).to_be_visible()


def test_the_inbox_is_shown_only_under_a_loopback_name(dev: Development) -> None:
    seen = httpx.get(f"{dev.url}/dev/inbox")
    assert seen.status_code == 200
    for host in ("[", "[x]", "attacker.example@127.0.0.1"):
        assert httpx.get(f"{dev.url}/dev/inbox", headers={"Host": host}).status_code == 404
    rebound = httpx.get(f"{dev.url}/dev/inbox", headers={"Host": "attacker.example"})
    assert rebound.status_code == 404
