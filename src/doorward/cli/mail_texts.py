"""`doorward mail preview` and `doorward mail texts`: what mails say, before anybody gets one."""

import argparse
import json
import re
from collections.abc import Iterator
from html import escape
from pathlib import Path

from doorward.cli.failure import Failure
from doorward.core.clock import MINUTE
from doorward.i18n import LANGUAGES, find, translations
from doorward.mail.brands import Brand, load_brands, nearest
from doorward.mail.kinds import SAMPLE
from doorward.mail.render import Rendered, Renderer
from doorward.mail.texts import page_messages, shipped_mails, shipped_phrases
from doorward.mailing import CODE_MAILS
from doorward.settings import Settings

LIST = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Mails</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }}
table {{ border-collapse: collapse; width: 100%; }}
td, th {{ text-align: left; padding: .25rem 1rem .25rem 0; vertical-align: top; }}
</style>
</head>
<body>
<h1>Mails</h1>
{tables}
</body>
</html>
"""


def preview(settings: Settings, args: argparse.Namespace) -> None:
    """Write every mail in every language and brand, as HTML and as text. Raises Failure, BrandError."""
    folder = Path(args.to)
    renderer = Renderer(load_brands(settings.brands_file, settings.mail_sender, settings.public_url))
    renderer.verify()
    tables, count = [], 0
    try:
        for brand in renderer.brands:
            for language in sorted(brand.languages):
                mails = dict(_rendered(renderer, brand, language))
                place = Path(_file_name(brand.key), language)
                for name, mail in mails.items():
                    _write(folder / place / f"{name}.html", mail.html)
                    _write(folder / place / f"{name}.txt", f"{mail.subject}\n\n{mail.text}")
                tables.append(_table(brand, language, place, mails))
                count += len(mails)
        _write(folder / "index.html", LIST.format(tables="\n".join(tables)))
    except OSError as error:
        raise Failure(f"{error.filename} can't be written ({error.strerror}): choose another folder") from error
    print(f"Wrote {count} mails as HTML and as text: open {folder / 'index.html'}")


def texts(_settings: Settings, args: argparse.Namespace) -> None:
    """Print the shipped texts of a language as a file that a brand's folder may hold. Raises Failure."""
    language = find(args.language)
    if language is None:
        raise Failure(f"there are no texts in {args.language!r}: {nearest(args.language, LANGUAGES)}")
    print(
        f"# Keep what is to be different, as {language}.toml in the `templates` folder of a brand, and delete the rest."
    )
    print("\n[phrases]")
    for name, text in shipped_phrases(language).items():
        print(f"{name} = {_quoted(text)}")
    for name, mail in shipped_mails(language).items():
        print(f"\n[mails.{name}]\nsubject = {_quoted(mail.subject)}\nheading = {_quoted(mail.heading)}")
        print(f"body = [{', '.join(_quoted(paragraph) for paragraph in mail.body)}]")
        print(f"not_you = {_quoted(mail.not_you)}")
    print("\n# The account pages: the English words, and what is said for them.\n[pages]")
    translate = translations(language).gettext
    for message in sorted(page_messages()):
        print(f"{_quoted(message)} = {_quoted(translate(message))}")


def _rendered(renderer: Renderer, brand: Brand, language: str) -> Iterator[tuple[str, Rendered]]:
    lifetimes = {kind.template: kind.lifetime // MINUTE for kind in CODE_MAILS.values()}
    for name in renderer.names(brand, language):
        params = {**SAMPLE, "minutes": lifetimes.get(name, 0)}
        yield name, renderer.render(name, brand.key, language, params)


def _file_name(brand: str) -> str:
    return re.sub(r"[^A-Za-z0-9.-]+", "-", brand).strip(".-") or "default"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _table(brand: Brand, language: str, place: Path, mails: dict[str, Rendered]) -> str:
    rows = "\n".join(
        f'<tr><td>{name}</td><td lang="{language}"><a href="{place / name}.html">{escape(mail.subject)}</a></td>'
        f'<td><a href="{place / name}.txt">text</a></td></tr>'
        for name, mail in mails.items()
    )
    return f"<h2>{escape(brand.name)}, {language}</h2>\n<table>\n{rows}\n</table>"


def _quoted(text: str) -> str:
    """A string of TOML, which takes JSON's escapes."""
    return json.dumps(text, ensure_ascii=False)
