"""docs/gallery.md shows what is there, and stays light."""

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
LARGEST, ALL = 40_000, 2_400_000
"""Bytes of a picture, and of all."""


def test_the_gallery_shows_every_picture_and_no_other() -> None:
    text = (DOCS / "gallery.md").read_text()
    named = re.findall(r"!\[[^]]+\]\((gallery/[^)]+)\)", text)
    assert sorted(named) == sorted(f"gallery/{file.name}" for file in (DOCS / "gallery").iterdir())


def test_the_pictures_are_small() -> None:
    sizes = [file.stat().st_size for file in (DOCS / "gallery").iterdir()]
    assert max(sizes) <= LARGEST
    assert sum(sizes) <= ALL
