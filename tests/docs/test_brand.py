"""The examples of docs/brand.md and docs/account-pages.md do what their pages say."""

import re
from collections.abc import Callable
from html import unescape
from pathlib import Path

import httpx

from doorward.mail.brands import _CHECKS
from doorward.mail.render import Renderer
from tests.support.service import PUBLIC_URL, Service
from tests.support.visitor import Visitor

DOCS = Path(__file__).parents[2] / "docs"
LOGO = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"/>'


def branded(start: Callable[..., Service], folder: Path) -> Service:
    """The service with the brands and the texts of the page."""
    brands, texts = re.findall(r"^```toml\n(.*?)^```$", (DOCS / "brand.md").read_text(), re.MULTILINE | re.DOTALL)
    (folder / "energy.svg").write_text(LOGO)
    (folder / "partner-texts").mkdir()
    (folder / "partner-texts" / "nl.toml").write_text(texts)
    (folder / "brands.toml").write_text(brands)
    setting, value = re.findall(r"^DOORWARD_(\w+)=(.*)$", (DOCS / "account-pages.md").read_text(), re.MULTILINE)[0]
    return start(brands_file=str(folder / "brands.toml"), **{setting.lower(): value})


def test_the_brands_of_the_page_are_shown(start: Callable[..., Service], tmp_path: Path) -> None:
    service = branded(start, tmp_path)
    renderer = Renderer(service.doorward.env.mails.brands)
    renderer.verify()
    mail = renderer.render("reset-code", "partner", "nl", {"code": "123456", "minutes": 10, "address": "a@example.org"})
    assert mail.subject == "Nieuw wachtwoord voor Partner"
    visitor = Visitor.at(service, "/account/sign-in?origin=partner")
    for words in ("Partner", "Klantnummer of e-mailadres", "Uw klantnummer staat", "Example Energy B.V., Utrecht"):
        assert words in visitor.text
    assert 'src="/account/logo?origin=partner' in visitor.page.text
    assert "https://example.org/privacy" in visitor.page.text


def test_the_page_lists_every_key_of_a_brand() -> None:
    rows = re.findall(r"^\| (`.*?`) \|", (DOCS / "brand.md").read_text(), re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", " ".join(rows))) == set(_CHECKS)


def test_the_links_of_the_page_lead_where_it_says(start: Callable[..., Service], tmp_path: Path) -> None:
    service = branded(start, tmp_path)
    page = (DOCS / "account-pages.md").read_text()
    links = [unescape(link) for link in re.findall(r'href="([^"]+)"', page)]
    assert len(links) == 4
    for link in links:
        visitor = Visitor.at(service, link.removeprefix(PUBLIC_URL))
        assert visitor.page.status_code == 200
        asked = httpx.URL(link).params
        assert asked.get("return_to", "") in visitor.page.text
        if "language" in asked:
            assert f'<html lang="{asked["language"]}"' in visitor.page.text
        if "origin" in asked:
            assert "Partner</title>" in visitor.page.text


def test_every_page_that_is_listed_is_there(service: Service) -> None:
    for path in set(re.findall(r"`(/account[a-z/-]*|/\.well-known/[a-z-]+)`", (DOCS / "account-pages.md").read_text())):
        assert service.client.get(path).status_code in {200, 302, 303}, path
