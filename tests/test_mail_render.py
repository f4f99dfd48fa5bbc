"""Every mail in every language, as text, as HTML and as a message."""

import email
import email.policy
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from email.message import EmailMessage
from html.parser import HTMLParser
from pathlib import Path

import pytest

from doorward.core.errors import Refused
from doorward.i18n import LANGUAGES
from doorward.i18n.dates import moment
from doorward.mail import words
from doorward.mail.brands import MAXIMUM_NAME, BrandError, Brands, load_brands
from doorward.mail.kinds import MAILS, SAMPLE
from doorward.mail.message import build
from doorward.mail.render import Renderer
from doorward.mail.texts import PHRASES, shipped_mails, shipped_phrases

CODES = sorted(name for name, mail in MAILS.items() if mail.kind == "code")
NOTICES = sorted(name for name, mail in MAILS.items() if mail.kind == "notice")
SENT_AT = datetime(2026, 11, 24, 15, 45, tzinfo=UTC)
EVERY_MAIL = [(name, language) for name in MAILS for language in LANGUAGES]


def acme() -> Brands:
    brand = load_brands(None, "no-reply@acme.example", "https://auth.acme.example").default
    support = {"support_url": "https://acme.example/help", "support_address": "help@acme.example"}
    return Brands(replace(brand, name="Acme & Co", sender_name="Acme & Co", **support), {})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(acme())


def shown(param: str, language: str) -> str:
    """A parameter of `SAMPLE` as mails show it."""
    if param == "at":
        return moment(SENT_AT, language)
    browser = shipped_phrases(language)["browser"].format(browser="Firefox", system="Linux")
    return browser if param == "device" else str(SAMPLE[param])


def own(folder: Path, brand: str = "", **files: str) -> Brands:
    """Brands whose default has a templates folder with these texts."""
    (folder / "own").mkdir()
    for language, text in files.items():
        (folder / "own" / f"{language}.toml").write_text(text, encoding="utf-8")
    path = folder / "brands.toml"
    path.write_text(f"[default]\nname = 'Acme'\ntemplates = 'own'\n{brand}", encoding="utf-8")
    return load_brands(path, "no-reply@acme.example", "https://acme.example")


class Visible(HTMLParser):
    """The words of a page that a reader sees."""

    VOID = frozenset({"meta", "img", "br", "hr", "link"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self._hidden: list[bool] = [False]
        self._link = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.add(tag)
        if "href" in given:
            self._link = given["href"] or ""
            self.links.append(self._link)
        if tag not in self.VOID:
            hidden = tag in {"head", "style"} or given.get("aria-hidden") == "true"
            self._hidden.append(self._hidden[-1] or hidden)

    def handle_endtag(self, tag: str) -> None:
        self._hidden.pop()
        if tag == "a" and not self._link.endswith(self.words[-1]):
            self.words.append(self._link)  # a button, which does not say where it leads

    def handle_data(self, data: str) -> None:
        if not self._hidden[-1]:
            self.words += data.split()


def plain_words(text: str) -> list[str]:
    """Words without the marks that only one of the two parts needs."""
    words = (word.removeprefix("https://").rstrip(":") for word in text.split())
    return sorted(word for word in words if word and word != "·")


# -- texts


def test_each_mail_has_its_words_and_says_what_to_do_if_it_was_not_you() -> None:
    assert set(words.MAILS) == set(MAILS)
    for name, text in words.MAILS.items():
        assert bool(text.not_you) == (MAILS[name].kind != "plain"), name
        used = set(re.findall(r"\{(.*?)\}", " ".join([text.subject, text.heading, *text.body])))
        assert used == MAILS[name].placeholders, name


@pytest.mark.parametrize("language", LANGUAGES)
def test_texts_use_the_marks_of_typesetters(language: str) -> None:
    texts = [*shipped_phrases(language).values()]
    for mail in shipped_mails(language).values():
        texts += [mail.subject, mail.heading, *mail.body, mail.not_you, mail.not_you_unsupported]
    for text in texts:
        assert not re.search(r"'|\"|\.\.\.|  |^\s|\s$", text), text
        if language == "fr":
            assert not re.search(r"(?<!\u00a0)[?:;!]", text), text


@pytest.mark.parametrize("language", LANGUAGES)
def test_subjects_are_short_and_all_different(language: str) -> None:
    subjects = [mail.subject for mail in shipped_mails(language).values()]
    assert len(set(subjects)) == len(subjects)
    assert max(len(subject) for subject in subjects) <= 75


# -- rendering


def test_every_mail_of_every_brand_can_be_verified_at_once(renderer: Renderer) -> None:
    renderer.verify()


@pytest.mark.parametrize(("name", "language"), EVERY_MAIL)
def test_text_and_html_say_the_same(renderer: Renderer, name: str, language: str) -> None:
    rendered = renderer.render(name, None, language, SAMPLE)
    assert plain_words(" ".join(Visible(rendered.html).words)) == plain_words(rendered.text)
    assert rendered.language == language
    assert f'<html lang="{language}"' in rendered.html


@pytest.mark.parametrize(("name", "language"), EVERY_MAIL)
def test_a_mail_shows_its_parameters(renderer: Renderer, name: str, language: str) -> None:
    rendered = renderer.render(name, None, language, SAMPLE)
    mail = MAILS[name]
    for param in sorted({*mail.details, *mail.needs}):
        for part in (rendered.text, rendered.html):
            assert shown(param, language) in part, param
    assert not re.search("[{}]|None", rendered.text + rendered.subject)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", CODES)
def test_the_code_comes_first_alone_and_never_in_subject_title_or_preview(
    renderer: Renderer, name: str, language: str
) -> None:
    rendered = renderer.render(name, None, language, SAMPLE)
    paragraphs = rendered.text.split("\n\n")
    assert paragraphs[2] == "482913"
    assert rendered.text.count("482913") == rendered.html.count("482913") == 1
    assert "482913" not in rendered.subject
    assert rendered.html.index("user-select:all") < rendered.html.index("482913")


@pytest.mark.parametrize("name", NOTICES)
def test_a_notice_holds_no_code(renderer: Renderer, name: str) -> None:
    rendered = renderer.render(name, None, "en", SAMPLE)
    assert "482913" not in rendered.text + rendered.html


@pytest.mark.parametrize("name", ["transfer-code", "email-otp-setup-code"])
def test_an_address_that_may_be_a_strangers_does_not_learn_the_account(renderer: Renderer, name: str) -> None:
    rendered = renderer.render(name, None, "en", SAMPLE)
    assert "ann@example.org" not in rendered.text + rendered.html


def test_details_that_are_not_known_are_left_out(renderer: Renderer) -> None:
    rendered = renderer.render("password-changed", None, "en", {"at": SAMPLE["at"]})
    assert "Time: 24 November 2026, 15:45 UTC" in rendered.text
    assert "IP address" not in rendered.text + rendered.html
    assert "Device" not in rendered.text + rendered.html
    bare = renderer.render("password-changed", None, "en", {})
    assert "Time" not in bare.text
    assert '<th scope="row"' not in bare.html


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("reset-code", "code"),
        ("transfer-code", "minutes"),
        ("address-changed", "address"),
        ("recovery-code-used", "remaining"),
    ],
)
def test_a_missing_parameter_is_an_error_that_names_it(renderer: Renderer, name: str, missing: str) -> None:
    with pytest.raises(ValueError, match=f"{name} needs the parameter '{missing}'"):
        renderer.render(name, None, "en", {key: value for key, value in SAMPLE.items() if key != missing})


@pytest.mark.parametrize(
    ("minutes", "words"),
    [
        (1, "1 minute."),
        (10, "10 minutes."),
        ("10", "10 minutes."),
        (60, "1 hour."),
        (90, "90 minutes."),
        (120, "2 hours."),
        (1440, "1 day."),
        (4320, "3 days."),
    ],
)
def test_a_lifetime_is_said_in_the_largest_unit_that_fits(renderer: Renderer, minutes: int | str, words: str) -> None:
    rendered = renderer.render("reset-code", None, "en", {"code": "1", "minutes": minutes})
    assert f"expires in {words}" in rendered.text


@pytest.mark.parametrize(
    ("remaining", "words"),
    [(0, "no recovery codes left"), (1, "one recovery code left"), (9, "9 recovery codes left")],
)
def test_remaining_codes_are_counted_in_words(renderer: Renderer, remaining: int, words: str) -> None:
    assert words in renderer.render("recovery-code-used", None, "en", {"remaining": remaining}).text


@pytest.mark.parametrize("name", MAILS)
def test_a_mail_asks_for_nothing_from_elsewhere(renderer: Renderer, name: str) -> None:
    html = renderer.render(name, None, "en", SAMPLE).html
    page = Visible(html)
    assert not page.tags & {"img", "script", "link", "form", "iframe"}
    assert set(page.links) <= {
        "https://auth.acme.example",
        "https://auth.acme.example/account/reset/code",
        "https://acme.example/help",
        "mailto:help@acme.example",
    }
    for needed in (
        'name="color-scheme" content="light dark"',
        "prefers-color-scheme: dark",
        "width=device-width",
    ):
        assert needed in html
    assert len(html.encode()) < 20_000  # Gmail cuts a mail at 102 kB and drops styles over 8 kB


def test_a_logo_has_the_brand_as_its_alternative() -> None:
    brand = replace(acme().default, logo_url="https://acme.example/logo.png")
    html = Renderer(Brands(brand, {})).render("test", None, "en", {}).html
    assert re.search(r'<img [^>]*src="https://acme.example/logo.png" alt="Acme &amp; Co"', html)


def test_jinja_is_not_loaded_until_a_mail_is_rendered() -> None:
    script = (
        "import sys; from doorward.mail.brands import load_brands; from doorward.mail.render import Renderer;"
        "r = Renderer(load_brands(None, 'a@b.org', 'https://b.org')); r.check('test', None, 'nl');"
        "assert 'jinja2' not in sys.modules; r.render('test', None, 'nl', {}); assert 'jinja2' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


# -- hostile parameters


HOSTILE = '"><script>alert(1)</script><b>{brand} {{ 7*7 }} {% raw %}\r\nBcc: x@y.org\x00\u2028\u202e'


@pytest.mark.parametrize("name", MAILS)
def test_hostile_parameters_are_shown_as_text_in_one_line(renderer: Renderer, name: str) -> None:
    params = dict.fromkeys(("code", "address", "client_address", "device"), HOSTILE)
    rendered = renderer.render(name, None, "en", {**params, "minutes": 10, "remaining": 3})
    assert "script" not in Visible(rendered.html).tags
    assert "b" not in Visible(rendered.html).tags
    assert "49" not in rendered.text
    assert "\nBcc" not in rendered.text + rendered.html
    assert not re.search("[\x00\r\u2028\u202e]", rendered.text + rendered.html + rendered.subject)
    assert plain_words(" ".join(Visible(rendered.html).words)) == plain_words(rendered.text)
    build(rendered, "ann@example.org", "id-1", SENT_AT).as_bytes()


@pytest.mark.parametrize(
    "device",
    [
        "Go to https://evil.example now",
        "visit www.evil.example",
        "call evil.com",
        "write x@evil.example",
        "evil。com",
    ],
)
def test_a_device_cannot_bring_a_link_into_a_mail(renderer: Renderer, device: str) -> None:
    rendered = renderer.render("reset-code", None, "en", {**SAMPLE, "device": device})
    assert "Device: Unknown device" in rendered.text
    assert "evil" not in rendered.text + rendered.html


@pytest.mark.parametrize("device", ["Firefox 145.0 on Linux", "curl/8.5.0", "python-requests/2.32.3", "iPhone"])
def test_an_ordinary_device_is_shown_as_it_is(renderer: Renderer, device: str) -> None:
    assert f"Device: {device}\n" in renderer.render("reset-code", None, "en", {**SAMPLE, "device": device}).text


CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/142.0.0.0 Safari/537.36"
SAFARI = "(KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1"


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        (CHROME, "Chrome on Windows"),
        (f"{CHROME} Edg/142.0.0.0", "Edge on Windows"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0", "Firefox on Linux"),
        (
            f"Mozilla/5.0 (iPhone; CPU iPhone OS 26_0 like Mac OS X) AppleWebKit/605.1.15 {SAFARI}",
            "Safari on iPhone",
        ),
        (f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {SAFARI}", "Safari on Mac"),
        (
            "Mozilla/5.0 (Linux; Android 16; K) AppleWebKit/537.36 Chrome/142.0.0.0 Mobile Safari/537.36",
            "Chrome on Android",
        ),
        ("Mozilla/5.0 (X11; Linux x86_64)", "Linux"),
        ("Mozilla/5.0 evil.example Firefox/1", "Firefox"),
        ("Mozilla/5.0 see evil.example", "Unknown device"),
    ],
)
def test_a_browser_is_called_as_people_call_it(renderer: Renderer, user_agent: str, words: str) -> None:
    assert f"Device: {words}\n" in renderer.render("reset-code", None, "en", {**SAMPLE, "device": user_agent}).text


@pytest.mark.parametrize("address", ["command line", "evil.example", "192.0.2.7 https://evil.example"])
def test_what_is_no_ip_address_is_not_shown_as_one(renderer: Renderer, address: str) -> None:
    assert "IP address" not in renderer.render("reset-code", None, "en", {**SAMPLE, "client_address": address}).text


@pytest.mark.parametrize("address", ["192.0.2.7", "2001:db8::7"])
def test_an_ip_address_is_shown(renderer: Renderer, address: str) -> None:
    assert (
        f"IP address: {address}\n"
        in renderer.render("reset-code", None, "en", {**SAMPLE, "client_address": address}).text
    )


def test_a_long_device_is_cut(renderer: Renderer) -> None:
    text = renderer.render("reset-code", None, "en", {**SAMPLE, "device": "x" * 5000}).text
    assert "xx…\n" in text
    assert max(len(line) for line in text.splitlines()) < 250


def test_a_hostile_brand_is_shown_as_text() -> None:
    brand = replace(acme().default, name='<i>"Acme"</i> {code}', sender_name='a"b, <c@d.org>')
    rendered = Renderer(Brands(brand, {})).render("reset-code", None, "en", SAMPLE)
    assert "i" not in Visible(rendered.html).tags
    assert '<i>"Acme"</i> {code}' in rendered.text
    message = reread(build(rendered, "ann@example.org", "id-1", SENT_AT))
    assert [address.addr_spec for address in message["From"].addresses] == ["no-reply@acme.example"]


# -- choice of language and template


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("nl", "nl"),
        ("NL", "nl"),
        ("nl-BE", "nl"),
        ("de_AT", "de"),
        ("xx", "en"),
        ("", "en"),
        (None, "en"),
        ("nlx", "en"),
        ("n", "en"),
        ("../nl", "en"),
    ],
)
def test_an_unknown_language_is_the_brands_own(renderer: Renderer, asked: str | None, given: str) -> None:
    assert renderer.render("test", None, asked, {}).language == given


def test_an_origin_has_its_own_language_and_sender() -> None:
    default = acme().default
    other = replace(default, key="shop", name="Winkel", language="nl")
    renderer = Renderer(Brands(default, {"shop": other}))
    assert renderer.render("test", "shop", "xx", {}).language == "nl"
    assert renderer.render("test", "elsewhere", "xx", {}).language == "en"
    assert renderer.render("test", "shop", None, {}).brand is other


@pytest.mark.parametrize("name", MAILS)
def test_check_passes_for_every_mail_in_any_language(renderer: Renderer, name: str) -> None:
    for language in ("nl", "xx", None):
        renderer.check(name, None, language)


def test_nobody_is_sent_to_a_contact_that_the_brand_does_not_have(renderer: Renderer, tmp_path: Path) -> None:
    supported = renderer.render("address-changed", None, "en", SAMPLE).text
    assert "Contact Acme & Co right away:" in supported
    assert "help@acme.example · https://acme.example/help" in supported
    alone = Renderer(own(tmp_path, nl='[mails.address-changed]\nnot_you = "Bel Acme."\n'))
    assert "Tell whoever runs Acme for you right away:" in alone.render("address-changed", None, "en", SAMPLE).text
    assert "Bel Acme." in alone.render("address-changed", None, "nl", SAMPLE).text


def test_an_unknown_mail_is_refused(renderer: Renderer) -> None:
    with pytest.raises(Refused, match="UNABLE_TO_FIND_MAIL_TEMPLATE"):
        renderer.check("nothing", None, "en")


def test_check_does_not_grow_with_what_callers_ask(renderer: Renderer) -> None:
    renderer.check("test", None, "en")
    size = len(renderer._found)
    for number in range(100):
        renderer.check("test", f"origin-{number}", f"x{number}")
    assert len(renderer._found) == size


HALLO = '[mails.reset-code]\nsubject = "Hallo van {brand}"\nheading = "Hallo"\nbody = ["Nog {lifetime}."]\n'


def test_an_operators_text_replaces_a_part_of_the_shipped_one(tmp_path: Path) -> None:
    renderer = Renderer(own(tmp_path, nl='[mails.reset-code]\nheading = "Eigen kop"\n[phrases]\nhelp = "Vraag?"\n'))
    rendered = renderer.render("reset-code", None, "nl", SAMPLE)
    assert rendered.subject == "Kies een nieuw wachtwoord voor Acme"
    assert "\nEigen kop\n" in rendered.text
    assert "Eigen kop" not in renderer.render("reset-code", None, "en", SAMPLE).text
    renderer.verify()


def test_a_brand_with_its_own_texts_alone_falls_back_to_its_language_then_english(tmp_path: Path) -> None:
    english = HALLO.replace("Hallo", "Hello") + '[mails.test]\nsubject = "T"\nheading = "T"\nbody = ["T"]\n'
    renderer = Renderer(own(tmp_path, "templates_only = true\nlanguage = 'nl'\n", nl=HALLO, en=english, fr=""))
    assert renderer.render("reset-code", None, "fr", SAMPLE).subject == "Hallo van Acme"
    assert renderer.render("reset-code", None, "fr", SAMPLE).language == "nl"
    assert renderer.render("test", None, "fr", SAMPLE).language == "en"
    for call in (
        renderer.check,
        lambda name, origin, language: renderer.render(name, origin, language, SAMPLE),
    ):
        with pytest.raises(Refused, match="UNABLE_TO_FIND_MAIL_TEMPLATE"):
            call("invitation", None, "nl")
    renderer.verify()


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("[mail.test]\n", ("'mail'", "did you mean 'mails'?")),
        ("[mails.reset-cod]\n", ("reset-cod", "did you mean 'reset-code'?")),
        ("[mails.test]\nsubjet = 'x'\n", ("'subjet'", "did you mean 'subject'?")),
        ("[mails.test]\nsubject = 'a {nme}'\n", ("{nme}", "known are brand")),
        ("[mails.reset-code]\nsubject = '{code}'\n", ("{code}",)),
        ("[mails.test]\nsubject = 'a } b'\n", ("brace",)),
        ('[mails.test]\nsubject = "a\\nb"\n', ("one line",)),
        ("[mails.test]\nbody = 'x'\n", ("list of paragraphs",)),
        ("[mails.test]\nbody = []\n", ("lacks 'body'",)),
        ("[phrases]\naction = '{nme}'\n", ("{nme}", "known are brand")),
        ("[phrases]\nhlp = 'x'\n", ("'hlp'", "did you mean 'help'?")),
        ("mails = 1\n", ("must be a table",)),
        ("[mails\n", ("cannot be read as TOML",)),
    ],
)
def test_a_mistake_in_an_operators_text_stops_the_start(tmp_path: Path, text: str, parts: tuple[str, ...]) -> None:
    with pytest.raises(BrandError) as caught:
        Renderer(own(tmp_path, nl=text))
    assert all(part in str(caught.value) for part in (*parts, "nl.toml")), caught.value
    assert "\n" not in str(caught.value)


def test_a_language_of_the_operators_own_needs_every_phrase(tmp_path: Path) -> None:
    with pytest.raises(BrandError, match="lacks 'codes_none'"):
        Renderer(own(tmp_path, fy=HALLO))


def test_a_language_of_the_operators_own_is_served(tmp_path: Path) -> None:
    phrases = "\n".join(
        f'{name} = "{words.PHRASES.get(name, name + " {count}" * ("count" in held))}"' for name, held in PHRASES.items()
    )
    renderer = Renderer(own(tmp_path, fy=f"[phrases]\n{phrases}\n{HALLO.replace('Hallo', 'Hoi')}"))
    rendered = renderer.render("reset-code", None, "fy", SAMPLE)
    assert rendered.language == "fy"
    assert "Nog minutes 10." in rendered.text
    assert "Time: 2026-11-24 15:45 UTC" in rendered.text
    assert renderer.render("test", None, "fy", SAMPLE).language == "en"


def test_an_operators_phrase_stands_for_all_numbers_of_its_name(tmp_path: Path) -> None:
    renderer = Renderer(own(tmp_path, pl='[phrases]\nminutes = "{count} min"\n'))
    wording = [renderer.render("reset-code", None, "pl", {"code": "1", "minutes": n}).text for n in (1, 2, 5)]
    assert ["1 minutę" in wording[0], "2 min." in wording[1], "5 min." in wording[2]] == [True] * 3


@pytest.mark.parametrize(
    ("minutes", "phrase"), [(1, "za 1 minutę."), (2, "za 2 minuty."), (10, "za 10 minut."), (22, "za 22 minuty.")]
)
def test_a_language_with_more_forms_of_a_number_uses_them(renderer: Renderer, minutes: int, phrase: str) -> None:
    assert phrase in renderer.render("reset-code", None, "pl", {"code": "1", "minutes": minutes}).text


def test_only_the_operators_own_texts_are_read_at_the_start(tmp_path: Path) -> None:
    renderer = Renderer(own(tmp_path, nl='[phrases]\nhelp = "Vraag?"\n'))
    assert {language for _, language in renderer._texts} == {"nl"}


def test_an_operators_layout_replaces_the_shipped_one_and_a_broken_one_is_found(tmp_path: Path) -> None:
    brands = own(tmp_path)
    layout = tmp_path / "own" / "base.html.j2"
    layout.write_text("<p>{{ heading }}</p>")
    assert Renderer(brands).render("test", None, "en", {}).html == "<p>Your mail works</p>\n"
    layout.write_text("<p>{{ headin }}</p>")
    with pytest.raises(BrandError, match="'headin' is undefined"):
        Renderer(brands).verify()


@pytest.mark.parametrize(
    ("switch", "shown"), [(True, True), (frozenset({"reset-code"}), True), (frozenset({"invitation"}), False)]
)
def test_the_code_is_in_the_subject_where_the_brand_says_so(
    switch: bool | frozenset[str],  # noqa: FBT001
    shown: bool,  # noqa: FBT001
) -> None:
    renderer = Renderer(Brands(replace(acme().default, code_in_subject=switch), {}))
    assert renderer.render("reset-code", None, "en", SAMPLE).subject.startswith("482913") is shown
    assert "482913" not in renderer.render("password-changed", None, "en", SAMPLE).subject


def test_a_switch_for_an_unknown_purpose_is_refused() -> None:
    with pytest.raises(BrandError, match="did you mean 'reset-code'"):
        Renderer(Brands(replace(acme().default, code_in_subject=frozenset({"reset-cod"})), {}))


# -- messages


def reread(message: EmailMessage) -> EmailMessage:
    """The message as another program reads it from the wire."""
    raw = message.as_bytes()
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
    assert b"\n" not in raw.replace(b"\r\n", b"")
    read = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(read, EmailMessage)
    return read


def lines(part: EmailMessage) -> str:
    """A part's content with the line ends that it was written with."""
    return str(part.get_content()).replace("\r\n", "\n")


@pytest.mark.parametrize(("name", "language"), EVERY_MAIL)
def test_a_message_carries_both_parts_and_its_headers(renderer: Renderer, name: str, language: str) -> None:
    rendered = renderer.render(name, None, language, SAMPLE)
    message = reread(build(rendered, "ann@example.org", "id-1", SENT_AT))
    assert message.get_content_type() == "multipart/alternative"
    text, html = message.iter_parts()
    assert isinstance(text, EmailMessage)
    assert isinstance(html, EmailMessage)
    assert (text.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
    assert lines(text) == rendered.text
    assert lines(html) == rendered.html
    assert message["Subject"] == rendered.subject
    assert message["From"] == "Acme & Co <no-reply@acme.example>"
    assert message["To"] == "ann@example.org"
    assert message["Message-ID"] == "<id-1@acme.example>"
    assert message["Date"].datetime == SENT_AT
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Content-Language"] == language
    assert message["Reply-To"] is None


def test_a_message_is_seven_bit_for_an_ascii_recipient(renderer: Renderer) -> None:
    for language in LANGUAGES:
        build(renderer.render("totp-enabled", None, language, SAMPLE), "a@b.org", "i", SENT_AT).as_bytes().decode(
            "ascii"
        )


def test_reply_to_is_set_where_the_brand_has_one() -> None:
    rendered = Renderer(Brands(replace(acme().default, reply_to="help@acme.example"), {})).render(
        "test", None, "en", {}
    )
    assert reread(build(rendered, "a@b.org", "i", SENT_AT))["Reply-To"] == "help@acme.example"


def test_a_name_beyond_ascii_survives() -> None:
    name = "Bücher & Größe, Ελλάδα 📚, la librairie de Besançon en été"
    assert len(name) <= MAXIMUM_NAME
    rendered = Renderer(Brands(replace(acme().default, name=name, sender_name=name), {})).render("test", None, "en", {})
    message = build(rendered, "a@b.org", "i", SENT_AT)
    message.as_bytes().decode("ascii")
    assert reread(message)["From"].addresses[0].display_name == name
    assert reread(message)["Subject"] == f"A test message from {name}"


def test_an_international_domain_is_sent_as_its_ascii_form(renderer: Renderer) -> None:
    message = build(renderer.render("test", None, "en", {}), "ann@Bücher.example", "i", SENT_AT)
    assert reread(message)["To"] == "ann@xn--bcher-kva.example"


def test_an_international_local_part_makes_an_smtputf8_message(renderer: Renderer) -> None:
    message = build(renderer.render("test", None, "en", {}), "jörg@bücher.example", "i", SENT_AT)
    assert "To: jörg@xn--bcher-kva.example\r\n".encode() in message.as_bytes()


@pytest.mark.parametrize(
    "to",
    [
        "",
        "ann",
        "@example.org",
        "ann@",
        "a b@example.org",
        "a@b.org\r\nBcc: c@d.org",
        "a\r\nBcc: c@d.org",
        "a,b@c.org",
        "a@b@c.org",
        "<a@b.org>",
        "a@b.org>, <c@d.org",
        "a\u2028b@c.org",
        "a@b c.org",
    ],
)
def test_a_recipient_that_is_no_single_address_is_refused(renderer: Renderer, to: str) -> None:
    with pytest.raises(ValueError, match="address"):
        build(renderer.render("test", None, "en", {}), to, "i", SENT_AT)


@pytest.mark.parametrize("left", ["", "a b", "a@b", "a>\r\nBcc: c@d.org", ".a", "a..b", "x" * 65, "é"])
def test_a_bad_message_id_is_refused(renderer: Renderer, left: str) -> None:
    with pytest.raises(ValueError, match="Message-ID"):
        build(renderer.render("test", None, "en", {}), "a@b.org", left, SENT_AT)


def test_a_long_message_id_stays_in_one_piece(renderer: Renderer) -> None:
    brand = replace(acme().default, sender=f"no-reply@{'a' * 40}.{'b' * 40}.example")
    message = build(replace(renderer.render("test", None, "en", {}), brand=brand), "a@b.org", "x" * 64, SENT_AT)
    assert f"<{'x' * 64}@{'a' * 40}.{'b' * 40}.example>".encode() in message.as_bytes()


def test_a_time_without_zone_is_refused_and_others_are_kept(renderer: Renderer) -> None:
    rendered = renderer.render("test", None, "en", {})
    with pytest.raises(ValueError, match="time zone"):
        build(rendered, "a@b.org", "i", SENT_AT.replace(tzinfo=None))
    local = SENT_AT.astimezone(timezone(timedelta(hours=1)))
    assert build(rendered, "a@b.org", "i", local)["Date"] == "Tue, 24 Nov 2026 16:45:00 +0100"


def test_headers_cannot_be_injected(renderer: Renderer) -> None:
    rendered = renderer.render("test", None, "en", {})
    bad = "x\r\nBcc: c@d.org\r\n\r\nbody\x85Cc: e@f.org\u2028Cc: e@f.org"
    hostile = replace(rendered, subject=bad, language=bad, brand=replace(rendered.brand, sender_name=bad))
    message = reread(build(hostile, "a@b.org", "i", SENT_AT))
    assert message["Bcc"] is None
    assert message["Cc"] is None
    assert message["Subject"] == "x Bcc: c@d.org body Cc: e@f.org Cc: e@f.org"
