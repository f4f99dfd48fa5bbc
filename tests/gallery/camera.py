"""Takes pictures of what a browser shows, as small files."""

import base64
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from playwright.sync_api import CDPSession, Page

Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
WIDE, NARROW = 720, 320
QUALITY = 35
"""Of WebP. Letters stay sharp, and a page takes about 10 KB."""


@dataclass(frozen=True)
class Picture:
    """A state of a page, light and dark."""

    name: str
    words: str

    def file(self, scheme: Scheme) -> str:
        return f"{self.name}-{scheme}.webp"


@dataclass
class Camera:
    """Takes each state in both themes, from its top to its end whatever its height."""

    folder: Path
    page: Page
    taken: list[Picture] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._cdp: CDPSession = self.page.context.new_cdp_session(self.page)

    def take(self, name: str, words: str, width: int = WIDE) -> None:
        picture = Picture(name, words)
        self.page.set_viewport_size({"width": width, "height": 320})
        for scheme in SCHEMES:
            self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            (self.folder / picture.file(scheme)).write_bytes(self._image(width))
        self.taken.append(picture)

    def _image(self, width: int) -> bytes:
        height = self.page.evaluate("document.documentElement.scrollHeight")
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        asked = {"format": "webp", "quality": QUALITY, "captureBeyondViewport": True, "clip": clip}
        return base64.b64decode(self._cdp.send("Page.captureScreenshot", asked)["data"])
