"""Takes every picture anew and writes docs/gallery.md."""

import tempfile
from pathlib import Path

from playwright.sync_api import Browser

from tests.gallery import console
from tests.gallery.brand import brand
from tests.gallery.camera import Camera, Picture
from tests.gallery.mails import mails
from tests.gallery.pages import walk
from tests.support.browser import TIMEOUT_MS, chromium
from tests.support.development import development

DOCS = Path(__file__).parents[2] / "docs"
PICTURES = DOCS / "gallery"
HEAD = """# What people see

Every account page, the console and every mail, light and dark. `make gallery` takes the pictures from a running
service.
"""


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    for old in PICTURES.glob("*.webp"):
        old.unlink()
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        pages, letters = _pages(browser, Path(folder)), _mails(browser, Path(folder))
        desk = _console(browser, Path(folder, "console"))
    parts = {"Pages": pages, "The administrators' console": desk, "Mails": letters}
    text = "\n".join([HEAD, *(line for name, taken in parts.items() for line in (f"## {name}\n", *map(_shown, taken)))])
    (DOCS / "gallery.md").write_text(text.rstrip() + "\n", encoding="utf-8")
    sizes = [file.stat().st_size // 1000 for file in PICTURES.iterdir()]
    print(f"Wrote {len(sizes)} pictures, {sum(sizes)} kB, the largest {max(sizes)} kB: open {DOCS / 'gallery.md'}")


def _pages(browser: Browser, folder: Path) -> list[Picture]:
    file = brand(folder, "brands.energy")["DOORWARD_BRANDS_FILE"]
    with development(folder, DOORWARD_BRANDS_FILE=file) as dev:
        page = browser.new_context(locale="en-GB", timezone_id="UTC").new_page()
        page.set_default_timeout(TIMEOUT_MS)
        return walk(dev, page, Camera(PICTURES, page))


def _console(browser: Browser, folder: Path) -> list[Picture]:
    folder.mkdir()
    with development(folder) as dev:
        console.seed(folder)
        page = browser.new_context(locale="en-GB", timezone_id="UTC").new_page()
        page.set_default_timeout(TIMEOUT_MS)
        return console.walk(dev, page, Camera(PICTURES, page))


def _mails(browser: Browser, folder: Path) -> list[Picture]:
    page = browser.new_context().new_page()
    return mails(folder, page, Camera(PICTURES, page))


def _shown(picture: Picture) -> str:
    light, dark = (f"![{picture.words}, {scheme}](gallery/{picture.file(scheme)})" for scheme in ("light", "dark"))
    return f"### {picture.words}\n\n| light | dark |\n| --- | --- |\n| {light} | {dark} |\n"


if __name__ == "__main__":
    main()
