"""One request of a browser for an account page: who it is, what it typed, and what its answer will say."""

import base64
import hmac
import re
import secrets
from dataclasses import dataclass, field
from functools import cached_property
from gettext import NullTranslations
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from doorward.core.client import Client
from doorward.core.clock import SECOND
from doorward.core.errors import BadInput, DatabaseUnavailable, Refused
from doorward.core.vault import CannotOpen
from doorward.env import Env
from doorward.factors import store as factors
from doorward.http.arrivals import Arrivals
from doorward.http.bodies import read_raw
from doorward.http.clients import ClientAddresses
from doorward.http.gate import web_origin
from doorward.http.operations import printable
from doorward.http.pages.cookies import SECONDS, Cookies
from doorward.http.paging import ID
from doorward.http.request import Request
from doorward.i18n import LANGUAGES, OwnWords, choose, find, translations
from doorward.mail.brands import Brand
from doorward.mail.notices import MailChoice
from doorward.mail.texts import Texts
from doorward.sessions.flows import authorize
from doorward.tokens.tokens import Claims, Use
from doorward.users import store as users
from doorward.users.store import User

HOME = "/account"
OWN_PAGE = re.compile(r"/account(?:/[a-z-]+)*(?:\?method=[a-z-]+)?|/admin(?:/[A-Za-z0-9_-]+)*")
MOST_FIELDS = 50
LONGEST_RETURN = 1_500
LONGEST_ORIGIN = 256


class Wishes(msgspec.Struct, omit_defaults=True):
    """What a link to a page asked for, as long as the browser is open."""

    language: str | None = None
    origin: str | None = None
    return_to: str | None = None


class Kept(msgspec.Struct):
    """What a flow remembers from one page to the next."""

    kind: str
    until: int
    values: dict[str, Any]


@dataclass(frozen=True)
class Said:
    """What the page before this one said: one of the words of `said.html.j2`, and what it is about."""

    word: str
    about: str = ""


_decode_wishes = msgspec.json.Decoder(Wishes).decode
_decode_said = msgspec.json.Decoder(Said).decode
_decode_kept = msgspec.json.Decoder(Kept).decode


@dataclass(frozen=True)
class Problem:
    """Why a form was refused: in words, at which of its fields, and for how many seconds to wait."""

    field: str
    text: str
    wait: int = 0


@dataclass
class Visit:
    """A request. `path` is the page's, without parameters; `place` holds what its pattern names."""

    env: Env
    addresses: ClientAddresses
    arrivals: Arrivals
    req: Request
    path: str
    place: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    form: dict[str, str] = field(default_factory=dict)

    @property
    def problem(self) -> Problem | None:
        """The first one of the form."""
        return self.problems[0] if self.problems else None

    @cached_property
    def cookies(self) -> Cookies:
        return Cookies(self.env, self.req)

    @cached_property
    def query(self) -> dict[str, str]:
        return {name: values[0] for name, values in self.req.params.items()}

    def id_asked(self, name: str) -> int | None:
        """The id in a parameter of the query; None where it is none."""
        asked = self.query.get(name, "")
        return int(asked) if ID.fullmatch(asked) else None

    @cached_property
    def client(self) -> Client:
        agent = self.req.env.get("HTTP_USER_AGENT") or ""
        return Client(self.addresses.of(self.req.env), printable(agent), self.wishes.origin)

    # -- who

    @cached_property
    def session(self) -> Claims | None:
        """The claims of the browser's session, if it has one that lives."""
        return self._claims("session", "refresh")

    @property
    def claims(self) -> Claims:
        """Raises Refused("NO_TOKEN_PROVIDED")."""
        if self.session is None:
            raise Refused("NO_TOKEN_PROVIDED")
        return self.session

    @cached_property
    def sudo(self) -> Claims | None:
        """The claims of a second factor that this session has shown within the last minutes."""
        claims = self._claims("sudo", "sudo")
        same = claims is not None and self.session is not None and claims.sid == self.session.sid
        return claims if same else None

    @cached_property
    def partial(self) -> Claims | None:
        """The claims of a login whose second factor is missing."""
        return self._claims("partial", "partial")

    @cached_property
    def user(self) -> User | None:
        if self.session is None:
            return None
        with self.env.db.read() as tx:
            return users.find(tx, self.session.user_id)

    @cached_property
    def is_stepped_up(self) -> bool:
        """Whether the session may do what asks for a second factor: it has shown one, or its user has none."""
        if self.sudo is not None:
            return True
        with self.env.db.read() as tx:
            return not factors.has_active(tx, self.claims.user_id)

    def signed_in(self, refresh: str, sudo: str | None = None) -> None:
        """Let the browser keep the tokens of a completed login."""
        self.cookies.set("session", refresh)
        self.cookies.clear("partial", "sudo")
        if sudo is not None:
            self.cookies.set("sudo", sudo)

    def signed_out(self) -> None:
        self.cookies.clear("session", "partial", "sudo", "kept")
        self.session = self.sudo = self.partial = self.user = None

    def _claims(self, cookie: Any, use: Use) -> Claims | None:
        token = self.cookies.get(cookie)
        if not token:
            return None
        try:
            return authorize(self.env, token, frozenset({use}))
        except Refused:
            self.cookies.clear(cookie)
            return None

    # -- forms

    def read_form(self) -> None:
        """Raises BadInput, Refused("BODY_TOO_LARGE")."""
        try:
            typed = parse_qs(
                read_raw(self.req, self.arrivals).decode(),
                keep_blank_values=True,
                strict_parsing=False,
                max_num_fields=MOST_FIELDS,
            )
        except ValueError:
            raise BadInput("Body is not a form") from None
        self.form = {name: values[0] for name, values in typed.items()}

    def typed(self, name: str) -> str:
        return self.form.get(name, "")

    @cached_property
    def form_token(self) -> str:
        """What each form carries: bound to the browser and its session, and told to no other site."""
        browser = self.cookies.get("browser")
        if not browser:
            browser = secrets.token_urlsafe(16)
            self.cookies.set("browser", browser)
        return self._form_token(browser)

    def is_own_form(self) -> bool:
        """Whether the form that was sent is one of ours, sent by its person."""
        return self._is_same_origin() and bool(self.cookies.get("browser")) and self._has_form_token()

    def _has_form_token(self) -> bool:
        expected = self._form_token(self.cookies.get("browser"))
        return hmac.compare_digest(expected.encode(), self.typed("form_token").encode("utf-8", "replace"))

    def _form_token(self, browser: str) -> str:
        session = self.session.sid if self.session else ""
        return base64.urlsafe_b64encode(self.env.vault.digest("form", browser, session)[:24]).decode()

    def _is_same_origin(self) -> bool:
        site = self.req.env.get("HTTP_SEC_FETCH_SITE")
        if site is not None:
            return bool(site == "same-origin")
        origin = self.req.env.get("HTTP_ORIGIN")
        return origin is None or origin in {
            web_origin(self.env.settings.public_url),
            f"{self.req.env.get('wsgi.url_scheme')}://{self.req.env.get('HTTP_HOST')}",
        }

    # -- from one page to the next

    def keep(self, kind: str, **values: Any) -> None:
        """Remember the values for some minutes, in place of whatever was remembered before."""
        kept = Kept(kind, self._now + (SECONDS["kept"] or 0) * SECOND, values)
        sealed = self.env.vault.seal(msgspec.json.encode(kept), "pages:kept")
        self.cookies.set("kept", base64.urlsafe_b64encode(sealed).decode())

    def kept(self, kind: str) -> dict[str, Any]:
        """What was remembered under this kind; empty when nothing was, or when that is long ago."""
        try:
            sealed = base64.urlsafe_b64decode(self.cookies.get("kept"))
            kept = _decode_kept(self.env.vault.open(sealed, "pages:kept"))
        except (ValueError, CannotOpen, msgspec.DecodeError):
            return {}
        return kept.values if kept.kind == kind and kept.until > self._now else {}

    def forget(self) -> None:
        self.cookies.clear("kept")

    def say(self, word: str, about: str = "") -> None:
        """Let the next page tell what happened: one of the words of `said.html.j2`, and what it is about."""
        self.cookies.set("said", base64.urlsafe_b64encode(msgspec.json.encode(Said(word, about))).decode())

    @cached_property
    def said(self) -> Said | None:
        """What the page before this one said, told once."""
        try:
            said = _decode_said(base64.urlsafe_b64decode(self.cookies.get("said")))
        except (ValueError, msgspec.DecodeError):
            said = None
        self.cookies.clear("said")
        return said

    @property
    def _now(self) -> int:
        return self.env.clock.now_ms()

    # -- where from, where to, in which words

    @cached_property
    def wishes(self) -> Wishes:
        """Language, brand and the way back, by this link or an earlier one."""
        try:
            found = _decode_wishes(base64.urlsafe_b64decode(self.cookies.get("wishes")))
        except (ValueError, msgspec.DecodeError):
            found = Wishes()
        before = msgspec.structs.replace(found)
        found.language = find(self.query.get("language")) or find(found.language)
        found.origin = self.query.get("origin", found.origin or "")[:LONGEST_ORIGIN] or None
        found.return_to = self._allowed(self.query.get("return_to")) or self._allowed(found.return_to)
        if found != before:
            self.wish(found)
        return found

    def wish(self, wishes: Wishes) -> None:
        """Keep the wishes for the next pages."""
        self.wishes = wishes
        encoded = msgspec.json.encode(wishes)
        if encoded == b"{}":
            self.cookies.clear("wishes")
        else:
            self.cookies.set("wishes", base64.urlsafe_b64encode(encoded).decode())

    @property
    def return_to(self) -> str | None:
        """Where an app wants its user back, at one of the allowed origins."""
        return self.wishes.return_to

    def returned(self) -> str | None:
        """As `return_to`, and forgotten: the person goes there now."""
        where = self.return_to
        if where is not None:
            self.wish(Wishes(self.wishes.language, self.wishes.origin))
        return where

    @property
    def next(self) -> str:
        """The own page that the person was going to; never another host's."""
        asked = self.form.get("next") or self.query.get("next") or ""
        return asked if OWN_PAGE.fullmatch(asked) else HOME

    @property
    def brand(self) -> Brand:
        return self.env.mails.brands.find(self.wishes.origin)

    @cached_property
    def language(self) -> str:
        return choose(
            asked=self.wishes.language,
            own=self._own_language,
            accept_language=self.req.env.get("HTTP_ACCEPT_LANGUAGE"),
            default=self.brand.language,
            known=LANGUAGES,
        )

    @property
    def _own_language(self) -> str | None:
        """What the user chose; without the database, in which it stands, a page does without."""
        try:
            return self.user.language if self.user else None
        except DatabaseUnavailable:
            return None

    @property
    def texts(self) -> Texts:
        """What the brand says in its own words."""
        return self.env.mails.texts(self.brand, self.language)

    @property
    def words(self) -> NullTranslations:
        catalogue, own = translations(self.language), self.texts.pages
        return OwnWords(own, catalogue) if own else catalogue

    @property
    def mail_choice(self) -> MailChoice:
        return MailChoice(self.wishes.origin, self.language)

    def _allowed(self, url: str | None) -> str | None:
        if not url or len(url) > LONGEST_RETURN or not url.isascii() or not url.isprintable() or "\\" in url:
            return None
        try:
            parts = urlsplit(url)
            plain = parts.scheme in {"http", "https"} and parts.username is None and bool(parts.hostname)
            return url if plain and web_origin(url) in self.env.settings.return_origins else None
        except ValueError:
            return None
