"""The brands' file: what it may say, and how it is refused."""

from pathlib import Path

import pytest

from doorward.i18n import LANGUAGES
from doorward.mail.brands import BrandError, Brands, contrast, load_brands

SENDER = "no-reply@example.org"
URL = "https://auth.example.org"
FULL = """
[default]
name = "Acme"
sender = "no-reply@acme.example"
reply_to = "help@acme.example"
accent = "#0F5F57"
language = "nl"
support_address = "help@acme.example"

[brands.shop]
name = "Acme Shop"
support_address = ""
code_in_subject = ["email-otp-code"]

[brands."https://app.acme.example"]
sender = "app@bücher.example"
"""


def load(folder: Path, text: str) -> Brands:
    path = folder / "brands.toml"
    path.write_text(text, encoding="utf-8")
    return load_brands(path, SENDER, URL)


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(BrandError) as caught:
        load(folder, text)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_without_a_file_there_is_one_plain_brand() -> None:
    brands = load_brands(None, SENDER, URL)
    assert [*brands] == [brands.default]
    brand = brands.find("anything")
    assert (brand.name, brand.sender, brand.sender_name) == ("auth.example.org", SENDER, "auth.example.org")
    assert (brand.home_url, brand.language, brand.code_in_subject) == (URL, "en", False)
    assert contrast(brand.accent, brand.accent_text) >= 4.5


@pytest.mark.parametrize("url", ["http://localhost:8000", "http://127.0.0.1:8000", "http://[::1]:8000"])
def test_a_service_without_a_telling_host_is_called_doorward(url: str) -> None:
    assert load_brands(None, "doorward@localhost", url).default.name == "Doorward"


@pytest.mark.parametrize(("sender", "url"), [("nobody", URL), ("a@b.org\r\nBcc: c@d.org", URL), (SENDER, "auth.org")])
def test_a_bad_default_sender_or_public_url_is_refused(sender: str, url: str) -> None:
    with pytest.raises(BrandError, match=r"write it like|take it out"):
        load_brands(None, sender, url)


def test_an_origin_finds_its_brand_and_any_other_the_default(tmp_path: Path) -> None:
    brands = load(tmp_path, FULL)
    assert brands.find("shop").name == "Acme Shop"
    assert brands.find("https://app.acme.example").sender == "app@xn--bcher-kva.example"
    for origin in (None, "", "unknown", "Shop", "default"):
        assert brands.find(origin) is brands.default
    assert [brand.key for brand in brands] == ["", "shop", "https://app.acme.example"]


def test_a_brand_inherits_what_it_does_not_set(tmp_path: Path) -> None:
    brands = load(tmp_path, FULL)
    shop, app = brands.find("shop"), brands.find("https://app.acme.example")
    assert (shop.sender, shop.reply_to, shop.accent, shop.language) == (
        "no-reply@acme.example",
        "help@acme.example",
        "#0f5f57",
        "nl",
    )
    assert shop.sender_name == "Acme Shop"
    assert app.sender_name == app.name == "Acme"
    assert shop.code_in_subject == frozenset({"email-otp-code"})


def test_an_empty_text_clears_an_optional_key(tmp_path: Path) -> None:
    brands = load(tmp_path, FULL)
    assert brands.default.support_address == "help@acme.example"
    assert brands.find("shop").support_address is None


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("[defualt]\n", ("'defualt'", "did you mean 'default'?")),
        ("[default]\nacent = '#000000'\n", ("[default]", "'acent'", "did you mean 'accent'?")),
        ("[brands.shop]\nzzz = 1\n", ("[brands.shop]", "'zzz'", "known are accent")),
        ("default = 1\n", ("[default] must be a table",)),
        ("brands = 'x'\n", ("[brands] must be a table",)),
        ("[brands]\nshop = 1\n", ("[brands.shop] must be a table",)),
        ("[default]\naccent = '#abc'\n", ("accent '#abc'", "#rrggbb")),
        ("[default]\naccent = 'red'\n", ("accent 'red'", "#rrggbb")),
        ("[default]\naccent = 7\n", ("accent 7", "#rrggbb")),
        ("[default]\nsender = 'acme.example'\n", ("sender 'acme.example'", "no-reply@example.org")),
        ("[default]\nsender = 'a b@acme.example'\n", ("sender", "is not an address")),
        ("[default]\nsender = 'jörg@acme.example'\n", ("sender", "is not an address")),
        ("[default]\nsender = ''\n", ("sender must be a text that is not empty",)),
        (f"[default]\nname = '{'x' * 61}'\n", ("61 characters", "60 at most")),
        ("[default]\nname = 3\n", ("name must be a text",)),
        ("[default]\nhome_url = 'javascript:alert(1)'\n", ("home_url", "is not a web address")),
        ("[default]\nlogo_url = 'https://a.org/\"x'\n", ("logo_url", "is not a web address")),
        ("[default]\nsupport_url = 'https://a.org:99999/'\n", ("support_url", "is not a web address")),
        ("[default]\nlanguage = 'English'\n", ("language 'English'", "two lower-case letters")),
        (
            "[default]\nlanguage = 'fy'\n",
            ("language 'fy' has no texts", "da, de, en, es, fr, it, nl, pl, pt, sv", "fy.toml"),
        ),
        ("[default]\ntemplates = 'nowhere'\n", ("nowhere", "is not a folder")),
        ("[default]\ntemplates_only = true\n", ("templates_only is true without templates",)),
        ("[default]\ntemplates_only = 'yes'\n", ("templates_only must be true or false",)),
        ("[default]\ncode_in_subject = 1\n", ("code_in_subject must be true or false",)),
        ("[brands.'']\n", ("brand name ''", "rename it")),
        ("[default\n", ("is not valid TOML",)),
    ],
)
def test_a_mistake_is_refused_in_one_line_that_says_where(tmp_path: Path, text: str, parts: tuple[str, ...]) -> None:
    message = refusal(tmp_path, text)
    assert all(part in message for part in parts), message
    assert "brands.toml" in message


@pytest.mark.parametrize("key", ["name", "sender", "sender_name", "reply_to", "logo_url", "home_url", "support_url"])
@pytest.mark.parametrize("breaker", ["\\r\\n", "\\n", "\\r", "\\u0085", "\\u2028", "\\u0000", "\\u202e"])
def test_line_breaks_and_invisible_characters_are_refused_everywhere(tmp_path: Path, key: str, breaker: str) -> None:
    assert key in refusal(tmp_path, f'[default]\n{key} = "a{breaker}Bcc: b@c.org"\n')


def test_line_breaks_in_a_brand_name_are_refused(tmp_path: Path) -> None:
    assert "rename it" in refusal(tmp_path, '[brands."a\\nb"]\n')


def test_too_little_contrast_names_both_colours(tmp_path: Path) -> None:
    message = refusal(tmp_path, "[default]\naccent = '#777777'\naccent_text = '#ffffff'\n")
    assert "'#777777'" in message
    assert "'#ffffff'" in message
    assert "4.48:1" in message
    assert load(tmp_path, "[default]\naccent = '#767676'\n").default.accent == "#767676"


def test_contrast_is_the_one_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#123456", "#123456") == pytest.approx(1)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BrandError, match="cannot be read"):
        load_brands(tmp_path / "none.toml", SENDER, URL)


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "brands.toml").write_bytes(b"[default]\nname = 'B\xfc'\n")
    with pytest.raises(BrandError, match="is not valid TOML"):
        load_brands(tmp_path / "brands.toml", SENDER, URL)


def test_the_templates_folder_is_relative_to_the_file_and_brings_its_languages(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "fy.toml").touch()
    (tmp_path / "own" / "README.toml").touch()
    brand = load(tmp_path, "[default]\ntemplates = 'own'\nlanguage = 'fy'\n").default
    assert brand.templates == tmp_path / "own"
    assert brand.languages == set(LANGUAGES) | {"fy"}
    only = load(tmp_path, "[default]\ntemplates = 'own'\nlanguage = 'fy'\ntemplates_only = true\n").default
    assert only.languages == {"fy"}
