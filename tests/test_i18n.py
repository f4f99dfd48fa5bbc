"""Languages: which one is chosen, and catalogues that are whole."""

import functools
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.pofile import read_po

from doorward import i18n
from doorward.i18n import templates

SOURCE = Path(i18n.__file__).parent.parent
PROJECT = SOURCE.parent.parent
TRANSLATED = sorted(set(i18n.LANGUAGES) - {i18n.SOURCE})

_PLACEHOLDERS = re.compile(r"%\(\w+\)[a-z]|\{\w*\}|</?\w+[^>]*>")


def catalogue(language: str) -> Catalog:
    with (i18n.CATALOGUES / language / "LC_MESSAGES" / f"{i18n.DOMAIN}.po").open("rb") as file:
        return read_po(file, locale=language)


def messages(language: str) -> Iterator[Message]:
    return (message for message in catalogue(language) if message.id)


def forms(text: Any) -> tuple[str, ...]:
    """Singular and plural, or the one text there is."""
    return (text,) if isinstance(text, str) else tuple(text or ())


@functools.cache
def in_source() -> set[tuple[str | None, tuple[str, ...]]]:
    """Every message that code and templates ask for: its context and its forms."""
    mappings = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["tool"]["babel"]["mappings"]
    methods = [(each["pattern"], each["method"]) for each in mappings]
    options: dict[str, Any] = {each["pattern"]: each for each in mappings}
    found = extract_from_dir(SOURCE, methods, options, {**DEFAULT_KEYWORDS, "N_": None})
    return {(context, forms(message)) for _, _, message, _, context in found}


# -- catalogues


def test_each_language_but_the_sources_own_has_a_catalogue() -> None:
    assert sorted(path.name for path in i18n.CATALOGUES.iterdir()) == TRANSLATED
    assert set(i18n.NAMES) == set(i18n.LANGUAGES)


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_catalogue_holds_what_the_source_asks_for_and_nothing_else(language: str) -> None:
    held = {(message.context, forms(message.id)) for message in messages(language)}
    assert held == in_source(), "run make messages"


@pytest.mark.parametrize("language", TRANSLATED)
def test_nothing_is_untranslated_or_fuzzy(language: str) -> None:
    plurals = catalogue(language).num_plurals
    for message in messages(language):
        assert not message.fuzzy, message.id
        texts = forms(message.string)
        assert len(texts) == (plurals if message.pluralizable else 1), message.id
        assert all(text.strip() for text in texts), message.id


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_translation_has_the_placeholders_and_tags_of_its_message(language: str) -> None:
    for message in messages(language):
        # A number may be a word in the singular, and nowhere else.
        wanted = [sorted(_PLACEHOLDERS.findall(form)) for form in forms(message.id)]
        for text in forms(message.string):
            assert sorted(_PLACEHOLDERS.findall(text)) in wanted, text
        assert sorted(_PLACEHOLDERS.findall(forms(message.string)[-1])) == wanted[-1], message.id


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_translation_begins_and_ends_with_the_blanks_of_its_message(language: str) -> None:
    for message in messages(language):
        for text in forms(message.string):
            for at in (0, -1):
                assert text[at].isspace() == forms(message.id)[0][at].isspace(), text


@pytest.mark.parametrize("language", TRANSLATED)
def test_what_is_compiled_is_what_is_written(language: str) -> None:
    compiled = i18n.translations(language)
    for message in messages(language):
        if message.pluralizable:
            continue  # the next test's
        (id_,) = forms(message.id)
        text = compiled.pgettext(message.context, id_) if message.context else compiled.gettext(id_)
        assert text == message.string, "run make messages"


@pytest.mark.parametrize("language", TRANSLATED)
def test_plurals_count_as_the_language_does(language: str) -> None:
    compiled, written = i18n.translations(language), catalogue(language)
    for message in messages(language):
        if not message.pluralizable:
            continue
        one, many = forms(message.id)
        seen = {
            compiled.npgettext(message.context, one, many, count)
            if message.context
            else compiled.ngettext(one, many, count)
            for count in range(120)
        }
        assert seen == set(forms(message.string)), "run make messages"
    assert written.num_plurals == (3 if language == "pl" else 2)


# -- choice


@pytest.mark.parametrize(
    ("wishes", "chosen"),
    [
        ({}, "en"),
        ({"asked": "fr", "own": "de", "accept_language": "it", "default": "nl"}, "fr"),
        ({"own": "de", "accept_language": "it", "default": "nl"}, "de"),
        ({"accept_language": "it", "default": "nl"}, "it"),
        ({"default": "nl"}, "nl"),
        ({"asked": "xx", "own": "", "accept_language": "ja, *", "default": "nl"}, "nl"),
        ({"asked": "PT_br"}, "pt"),
        ({"asked": "sv-SE"}, "sv"),
        ({"asked": "svx", "accept_language": "da"}, "da"),
        ({"default": "ja"}, "en"),
    ],
)
def test_the_first_known_wish_wins(wishes: dict[str, str], chosen: str) -> None:
    assert i18n.choose(**wishes) == chosen


def test_the_languages_of_an_origin_are_the_ones_to_choose_from() -> None:
    assert i18n.choose(asked="nl", default="ja", known={"ja"}) == "ja"


@pytest.mark.parametrize(
    ("header", "languages"),
    [
        (None, []),
        ("", []),
        ("nl", ["nl"]),
        ("nl-BE,nl;q=0.9,en-US;q=0.8,en;q=0.7", ["nl", "nl", "en", "en"]),
        ("en;q=0.2, pl ; q=1.0, fr;q=0.75", ["pl", "fr", "en"]),
        ("*, da;q=0", []),
        ("*;q=0.5, es;q=0.1", ["es"]),
        ("da;q=2, sv;q=x, it;level=1, \r\npt", ["pt"]),
        ("zh-Hant-TW, de", ["zh", "de"]),
        (",,;q=1,", []),
        (",".join(["xx"] * 50 + ["nl"]), ["xx"] * 20),
    ],
)
def test_an_accept_language_header_is_read_best_first(header: str | None, languages: list[str]) -> None:
    assert list(i18n.accepted(header)) == languages


# -- loading


def test_no_catalogue_is_read_before_it_is_used_and_no_tool_of_development_with_it() -> None:
    script = (
        "import sys; from doorward import i18n; assert set(i18n._loaded) == {'en'};"
        "i18n.translations('pl').gettext('x'); assert set(i18n._loaded) == {'en', 'pl'};"
        "assert not {'babel', 'jinja2'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_catalogue_is_read_once_by_however_many_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(i18n, "_loaded", {})
    together = threading.Barrier(8)
    got: list[object] = []

    def load() -> None:
        together.wait()
        got.append(i18n.translations("nl"))

    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 8
    assert len({id(each) for each in got}) == 1


def test_another_language_has_no_catalogue() -> None:
    with pytest.raises(KeyError):
        i18n.translations("ja")


# -- templates


@pytest.fixture
def environment() -> jinja2.Environment:
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    templates.install(environment)
    return environment


def test_a_value_is_escaped_and_the_message_around_it_is_not(environment: jinja2.Environment) -> None:
    template = environment.from_string("{% trans name=name %}\n  Hello\n  <b>{{ name }}</b>\n{% endtrans %}")
    assert template.render(language="en", name="<i>") == "Hello <b>&lt;i&gt;</b>"
    template = environment.from_string('{{ _("100 %% of %(name)s", name=name) }}')
    assert template.render(language="nl", name="<i>") == "100 % of &lt;i&gt;"


def test_numbers_are_counted(environment: jinja2.Environment) -> None:
    template = environment.from_string('{{ ngettext("%(num)d code", "%(num)d codes", count) }}')
    assert [template.render(language="en", count=count) for count in (1, 2)] == ["1 code", "2 codes"]
