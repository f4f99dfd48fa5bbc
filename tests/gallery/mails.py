"""Every mail that there is, as a mail program shows it."""

import os
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Page

from tests.gallery.brand import brand
from tests.gallery.camera import NARROW, Camera, Picture

ON_A_TELEPHONE = ("reset-code", "recovery-code-used", "invitation")
WIDTH = 640


def mails(folder: Path, page: Page, camera: Camera) -> list[Picture]:
    """Written by `doorward mail preview`, in English; a few in German and narrow."""
    command: list[str | Path] = [Path(sys.executable).with_name("doorward"), "mail", "preview", "--to", folder]
    subprocess.run(command, check=True, env=os.environ | brand(folder), cwd=folder)
    for mail in sorted((folder / "default" / "en").glob("*.html")):
        page.goto(mail.as_uri())
        camera.take(f"mail-{mail.stem}", page.title(), WIDTH)
    for name in ON_A_TELEPHONE:
        page.goto((folder / "default" / "de" / f"{name}.html").as_uri())
        camera.take(f"mail-{name}-narrow", f"{page.title()}, in German and 320 pixels wide", NARROW)
    return camera.taken
