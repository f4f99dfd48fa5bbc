"""`doorward mail preview` and `doorward mail texts`."""

import re
from pathlib import Path

import pytest

from doorward.i18n import LANGUAGES
from doorward.mail.brands import load_brands
from doorward.mail.kinds import MAILS, SAMPLE
from doorward.mail.render import Renderer
from tests.support.cli import Cli


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Cli:
    """Over a database that these commands never open."""
    return Cli("postgresql://nobody@localhost:1/none", tmp_path, monkeypatch, capfd)


def test_mail_preview_writes_every_mail_in_every_language_and_brand(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "brands.toml").write_text('[default]\nname = "Acme"\n[brands."https://../shop"]\nname = "<b>Shop"\n')
    to = tmp_path / "new" / "mails"
    said = cli.must("mail", "preview", "--to", str(to), brands_file=str(tmp_path / "brands.toml"))
    assert f"Wrote {2 * len(LANGUAGES) * len(MAILS)} mails" in said
    for brand in ("default", "https-..-shop"):
        for language in LANGUAGES:
            for suffix in (".html", ".txt"):
                assert {path.stem for path in (to / brand / language).glob(f"*{suffix}")} == set(MAILS)
    linked = re.findall(r'href="(.*?)"', (to / "index.html").read_text())
    assert all((to / link).is_file() for link in linked)
    assert len(linked) == 2 * 2 * len(LANGUAGES) * len(MAILS)
    assert "<b>" not in (to / "index.html").read_text()
    assert "expires in 7 days" in (to / "default" / "en" / "invitation.txt").read_text()


def test_mail_preview_says_why_it_cannot_write(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "choose another folder" in cli.fails("mail", "preview", "--to", str(tmp_path / "file"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_mail_texts_prints_what_a_brand_can_take_as_its_own(cli: Cli, tmp_path: Path, language: str) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / f"{language}.toml").write_text(cli.must("mail", "texts", language), encoding="utf-8")
    renderers = []
    for own in ("templates = 'own'\n", ""):
        brands = tmp_path / "brands.toml"
        # With a way to get help: an own text also stands for what is said without one.
        brands.write_text(f"[default]\nsupport_address = 'help@example.org'\n{own}", encoding="utf-8")
        renderers.append(Renderer(load_brands(brands, "a@example.org", "https://example.org")))
    for name in MAILS:
        texts = [each.render(name, None, language, SAMPLE).text for each in renderers]
        assert texts[0] == texts[1]


def test_mail_texts_names_the_nearest_language(cli: Cli) -> None:
    assert "did you mean 'nl'?" in cli.fails("mail", "texts", "nn")
