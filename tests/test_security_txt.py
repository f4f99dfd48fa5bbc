"""`/.well-known/security.txt` as RFC 9116 has it."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from doorward.settings import SettingsError, load
from tests.support.service import PUBLIC_URL, Service

PATH = "/.well-known/security.txt"


def test_whom_to_tell_of_a_hole_is_there_when_it_is_set(start: Callable[..., Service]) -> None:
    policy = "https://example.org/security"
    service = start(security_contact="mailto:security@example.org,https://example.org/tell", security_policy=policy)
    answer = service.call("GET", PATH)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    fields = [line.split(": ", 1) for line in answer.text.splitlines()]
    assert [name for name, _ in fields] == ["Contact", "Contact", "Expires", "Canonical", "Policy"]
    expires = datetime.fromisoformat(dict(fields)["Expires"])
    # Section 2.5.5: in the future, and less than a year away.
    days = (expires - datetime.fromtimestamp(service.clock.now_ms() / 1000, UTC)).days
    assert 100 < days < 365
    assert dict(fields)["Canonical"] == f"{PUBLIC_URL}{PATH}"
    assert service.call("POST", PATH).status_code == 405


def test_there_is_no_such_page_unless_it_is_set(service: Service) -> None:
    answer = service.call("GET", PATH)
    assert (answer.status_code, answer.json()["message"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    "contact", ["security@example.org", "http://example.org", "mailto:a b@example.org", "mailto:a\r\nX: y"]
)
def test_a_contact_is_a_uri(contact: str) -> None:
    with pytest.raises(SettingsError, match="is no mailto: or https: URI"):
        load({"DOORWARD_SECURITY_CONTACT": contact})
