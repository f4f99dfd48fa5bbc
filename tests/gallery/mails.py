"""Every mail that there is, as a mail program shows it."""

import os
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Page

from tests.gallery.camera import NARROW, Camera, Picture

ON_A_TELEPHONE = ("reset-code", "recovery-code-used", "invitation")
WIDTH = 640
SETTINGS = {"DOORWARD_PUBLIC_URL": "https://auth.example.org", "DOORWARD_BRANDS_FILE": "brands.toml"}
BRAND = """[default]
name = "Example Energy"
home_url = "https://app.example.org"
support_address = "help@example.org"
"""


def mails(folder: Path, page: Page, camera: Camera) -> list[Picture]:
    """Written by `doorward mail preview`, in English; a few in German and narrow."""
    (folder / "brands.toml").write_text(BRAND)
    command: list[str | Path] = [Path(sys.executable).with_name("doorward"), "mail", "preview", "--to", folder]
    subprocess.run(command, check=True, env=os.environ | SETTINGS, cwd=folder)
    for mail in sorted((folder / "default" / "en").glob("*.html")):
        page.goto(mail.as_uri())
        camera.take(f"mail-{mail.stem}", page.title(), WIDTH)
    for name in ON_A_TELEPHONE:
        page.goto((folder / "default" / "de" / f"{name}.html").as_uri())
        camera.take(f"mail-{name}-narrow", f"{page.title()}, in German and 320 pixels wide", NARROW)
    return camera.taken
