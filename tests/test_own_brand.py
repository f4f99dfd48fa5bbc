"""A brand of one's own from the first page to the last notice."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.service import PASSWORD, Service
from tests.support.visitor import Visitor

NEW_PASSWORD = "Another-Horse-2"
BRANDS = """
[default]
name = "Plain"

[brands.shop]
name = "The Shop"
sender = "shop@example.org"

[brands.bare]
name = "Bare"
templates = "bare"
templates_only = true
language = "nl"
"""


@pytest.fixture
def service(start: Callable[..., Service], tmp_path: Path) -> Service:
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "nl.toml").write_text('[mails.test]\nsubject = "a"\nheading = "b"\nbody = ["c"]\n')
    file = tmp_path / "brands.toml"
    file.write_text(BRANDS)
    service = start(brands_file=str(file))
    service.add_user()
    return service


def last_sender(service: Service) -> str:
    service.deliver()
    return str(service.smtp.messages[-1]["From"])


def test_a_notice_is_of_the_brand_whose_pages_the_person_came_to(service: Service) -> None:
    visitor = Visitor.at(service, "/account/sign-in?origin=shop")
    visitor.sign_in()
    visitor.go("/account/password")
    visitor.send("/account/password", old_password=PASSWORD, new_password=NEW_PASSWORD)
    assert last_sender(service) == "The Shop <shop@example.org>"


@pytest.mark.parametrize(
    ("query", "name"),
    [("?origin=shop", "The Shop"), ("", "Plain"), ("?origin=nobody", "Plain"), (f"?origin={'x' * 300}", "Plain"),
     ("?origin=bare", "Plain")],
)  # fmt: skip
def test_a_notice_is_of_the_brand_that_the_call_names_if_it_has_that_mail(
    service: Service, query: str, name: str
) -> None:
    access = service.access(service.login())
    body = {"oldPassword": PASSWORD, "newPassword": NEW_PASSWORD}
    assert service.call("PUT", f"/user/password/old-password{query}", access, json=body).status_code == 204
    assert last_sender(service).startswith(f"{name} <")


def test_an_invitation_leads_to_the_page_of_its_brand(service: Service) -> None:
    brands = service.doorward.env.mails.brands
    assert brands.default.invitation_url == "https://auth.example.org/account/reset/code"
    assert brands.find("shop").invitation_url == "https://auth.example.org/account/reset/code?origin=shop"
    visitor = Visitor.at(service, brands.find("shop").invitation_url)
    assert "– The Shop</title>" in visitor.page.text
