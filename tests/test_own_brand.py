"""A brand of one's own from the first page to the last notice."""

import re
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest

from doorward.http.pages import looks
from doorward.mail.brands import BrandError, contrast, load_brands
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


# -- the pages' words and looks

LOGO = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><path d="M0 0h8v8z"/></svg>'
TEXTS = """
[pages]
"Email address or username" = "Customer number"
"Then you go on to %(host)s." = "%(host)s comes next."
"Too many wrong passwords. You can try again in {wait}." = "Wait for {wait}."

[notes]
sign-in = "It is on your <bill>."
footer = "Example Energy, Utrecht"
"""


def branded(start: Callable[..., Service], folder: Path, texts: str = TEXTS, brand: str = "") -> Service:
    (folder / "own").mkdir()
    (folder / "own" / "en.toml").write_text(texts)
    (folder / "logo.svg").write_bytes(LOGO)
    file = folder / "own-brands.toml"
    file.write_text(f'[default]\nname = "Plain"\n[brands.own]\ntemplates = "own"\nlogo = "logo.svg"\n{brand}')
    return start(brands_file=str(file), return_origins="https://app.example.org")


def test_pages_speak_in_the_brands_words_to_who_came_by_it(start: Callable[..., Service], tmp_path: Path) -> None:
    service = branded(start, tmp_path, brand='privacy_url = "https://example.org/privacy"\n')
    plain = Visitor.at(service, "/account/sign-in")
    assert "Email address or username" in plain.text
    assert "privacy" not in plain.page.text
    visitor = Visitor.at(service, "/account/sign-in?origin=own&return_to=https://app.example.org/")
    assert "Customer number" in visitor.text
    assert "app.example.org comes next." in visitor.text
    assert "It is on your <bill>." in visitor.text
    assert "Example Energy, Utrecht" in visitor.text
    assert '<a href="https://example.org/privacy">Privacy</a>' in visitor.page.text
    for _ in range(7):
        visitor.sign_in("nobody@example.org")
    assert "Wait for 2 seconds." in visitor.text or "Wait for 1 second." in visitor.text
    visitor.go("/account/sign-in?language=de")
    assert "E-Mail-Adresse oder Benutzername" in visitor.text
    assert "Example Energy, Utrecht" not in visitor.text


def test_pages_show_the_brands_own_logo(start: Callable[..., Service], tmp_path: Path) -> None:
    service = branded(start, tmp_path)
    visitor = Visitor.at(service, "/account/sign-in?origin=own")
    found = re.search(r'<img class="logo" src="(/account/logo[^"]+)"', visitor.page.text)
    assert found is not None
    answer = visitor.client.get(unescape(found[1]))
    assert (answer.content, answer.headers["Content-Type"]) == (LOGO, "image/svg+xml")
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert visitor.client.get("/account/logo").status_code == 404


@pytest.mark.parametrize(
    ("texts", "parts"),
    [
        ('[pages]\n"Sign inn" = "x"\n', ("[pages]", "'Sign inn'", "did you mean 'Sign in'?")),
        ('[pages]\n"Sign in" = "at {shop}"\n', ("'Sign in'", "{shop}", "take it out")),
        ('[pages]\n"Sign in" = "100 % safe"\n', ("'Sign in'", "%", "take it out")),
        ('[pages]\n"Sign in" = "a\\nb"\n', ("one line",)),
        ('[notes]\nhome = "x"\n', ("[notes]", "'home'", "known are footer, sign-in")),
        ("[notes]\nfooter = 1\n", ("footer", "one line")),
    ],
)
def test_a_mistake_in_the_pages_words_stops_the_start(
    start: Callable[..., Service], tmp_path: Path, texts: str, parts: tuple[str, ...]
) -> None:
    with pytest.raises(BrandError) as caught:
        branded(start, tmp_path, texts)
    assert all(part in str(caught.value) for part in ("en.toml", *parts)), caught.value


@pytest.mark.parametrize(
    ("content", "part"), [(None, "cannot be read"), (b"GIF89a", "SVG, PNG or WebP"), (LOGO + b" " * 50_000, "bytes")]
)
def test_a_logo_that_pages_cannot_show_is_refused(tmp_path: Path, content: bytes | None, part: str) -> None:
    if content is not None:
        (tmp_path / "logo").write_bytes(content)
    (tmp_path / "brands.toml").write_text('[default]\nlogo = "logo"\n')
    with pytest.raises(BrandError, match=part):
        load_brands(tmp_path / "brands.toml", "a@example.org", "https://auth.example.org")


@pytest.mark.parametrize("accent", ["#7a1f1f", "#1f5a96", "#ffd400", "#00ff88", "#000000", "#ffffff", "#808080"])
def test_links_and_buttons_are_read_in_both_themes(accent: str) -> None:
    ink = max("#000000", "#ffffff", key=lambda each: contrast(each, accent))
    brand = replace(load_brands(None, "a@example.org", "https://auth.example.org").default, accent=accent)
    themes = looks.colours(replace(brand, accent_text=ink)).decode().split("@media")
    light, dark = (dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", theme)) for theme in themes)
    for theme, ground in ((light, looks.LIGHTEST), (dark, looks.DARKEST)):
        assert contrast(theme["link"], ground) >= 4.5
        assert contrast(theme["accent"], theme["accent-ink"]) >= 4.5
    assert contrast(dark["accent"], looks.DARKEST) >= 3


def test_the_style_sheets_grounds_are_those_that_colours_are_held_against() -> None:
    sheet = looks.asset("pages.css").decode()
    assert f"--paper: {looks.LIGHTEST};" in sheet
    assert f"--card: {looks.DARKEST};" in sheet
