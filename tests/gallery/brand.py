"""A brand to show, with colours that no theme likes."""

from pathlib import Path

LOGO = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><circle cx="16" cy="16" r="16" fill="#7a1f5c"/>
<path d="M18 5 8 18h7l-1 9 10-13h-7z" fill="#ffd23f"/></svg>"""
LOOKS = """
name = "Example Energy"
sender = "no-reply@example.org"
accent = "#7a1f5c"
logo = "logo.svg"
home_url = "https://app.example.org"
support_address = "help@example.org"
privacy_url = "https://example.org/privacy"
terms_url = "https://example.org/terms"
templates = "texts"
"""
TEXTS = """
[pages]
"Email address or username" = "Customer number or email address"

[notes]
sign-in = "Your customer number is on your bill."
footer = "Example Energy Ltd, 1 Example Street, Leeds"
"""


def brand(folder: Path, name: str = "default") -> dict[str, str]:
    """The settings of a service that has it by this name."""
    (folder / "texts").mkdir(exist_ok=True)
    (folder / "texts" / "en.toml").write_text(TEXTS)
    (folder / "logo.svg").write_text(LOGO)
    file = folder / f"{name}.toml"
    file.write_text(f"[{name}]{LOOKS}")
    return {"DOORWARD_PUBLIC_URL": "https://auth.example.org", "DOORWARD_BRANDS_FILE": str(file)}
