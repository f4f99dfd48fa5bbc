"""What all pages are made of: from a request to an answer, and what becomes of a refusal in between."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import quote, urlencode

import falcon

from doorward.core.errors import BadInput, DatabaseUnavailable, Refused
from doorward.env import Env
from doorward.http.arrivals import Arrivals
from doorward.http.clients import ClientAddresses
from doorward.http.faults import DATABASE_RETRY_S, REFUSAL, REQUEST_ID, response_to
from doorward.http.gate import web_origin
from doorward.http.pages import looks
from doorward.http.pages.fields import Mistyped
from doorward.http.pages.refusals import in_words
from doorward.http.pages.visit import HOME, Problem, Visit
from doorward.http.request import Request
from doorward.i18n import N_

SIGN_IN = "/account/sign-in"
CONFIRM = "/account/confirm"
SESSION_IS_OVER = frozenset(
    {"NO_TOKEN_PROVIDED", "TOKEN_INVALID", "TOKEN_EXPIRED", "TOKEN_REVOKED", "WRONG_TOKEN_TYPE"}
)
STALE_FORM = N_("This page was open for too long, or in two windows at once. Nothing was changed: please try again.")


@dataclass
class Html:
    """A page of a template; its values are added to those of the layout."""

    template: str
    values: dict[str, Any] = field(default_factory=dict)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Redirect:
    """On to another page, by GET."""

    to: str


@dataclass
class File:
    """Something to be kept by the person."""

    name: str
    content: bytes


Reply = Html | Redirect | File


class Page:
    """A page: `show` answers a GET, `act` a form that was sent. Either may raise Refused.

    A refusal of `act` shows the page again, with the words beside the field that `fields` names for the code, else
    beside `field`. `needs`: who may see it. What only takes a form is a subclass of the page that shows the form: a
    refusal then has where to stand, and a GET of it leads somewhere.
    """

    needs: ClassVar[str] = "session"  # or "nobody", or "step-up"
    field: ClassVar[str] = ""
    fields: ClassVar[dict[str, str]] = {}

    def __init__(self, env: Env, addresses: ClientAddresses, arrivals: Arrivals) -> None:
        self._env = env
        self._addresses = addresses
        self._arrivals = arrivals

    def show(self, visit: Visit) -> Reply:
        raise falcon.HTTPMethodNotAllowed(["POST"])

    def act(self, visit: Visit) -> Reply:
        raise falcon.HTTPMethodNotAllowed(["GET"])

    def admit(self, visit: Visit) -> None:
        """Comes before all else. May raise falcon.HTTPNotFound: to this person, there is no such page."""

    def on_get(self, req: falcon.Request, resp: falcon.Response, **place: str) -> None:
        self._answer(req, resp, place, self._shown)

    def on_post(self, req: falcon.Request, resp: falcon.Response, **place: str) -> None:
        self._answer(req, resp, place, self._acted)

    def _answer(
        self, req: falcon.Request, resp: falcon.Response, place: dict[str, str], answer: Callable[[Visit], Reply]
    ) -> None:
        visit = Visit(self._env, self._addresses, self._arrivals, Request(req.env), req.path, place)
        try:
            self.admit(visit)
            reply = answer(visit)
            _send(resp, visit, reply)
        except falcon.HTTPError:
            raise
        except Exception as error:  # noqa: BLE001 -- whatever it is, the person gets a page
            _send_fault(req, resp, visit, error)

    def _shown(self, visit: Visit) -> Reply:
        try:
            return self._missing(visit) or self.show(visit)
        except Refused as refused:
            return self._elsewhere(visit, refused)

    def _acted(self, visit: Visit) -> Reply:
        visit.read_form()
        if not visit.is_own_form():
            visit.req.env[REFUSAL] = "FORM_TOKEN_INVALID"
            visit.problems = [Problem("", visit.words.gettext(STALE_FORM))]
            return self._again(visit, 403)
        try:
            return self._missing(visit) or self.act(visit)
        except Refused as refused:
            return self._refused(visit, refused)

    def _missing(self, visit: Visit) -> Reply | None:
        """Where the person has to go first."""
        if self.needs == "nobody":
            return None
        if visit.session is None:
            return to(SIGN_IN, next=visit.path)
        if self.needs == "step-up" and not visit.is_stepped_up:
            return to(CONFIRM, next=visit.path)
        return None

    def _refused(self, visit: Visit, refused: Refused) -> Reply:
        if refused.code in SESSION_IS_OVER or refused.code == "SUDO_TOKEN_REQUIRED":
            return self._elsewhere(visit, refused)
        visit.req.env[REFUSAL] = "BAD_INPUT" if isinstance(refused, BadInput) else refused.code
        if isinstance(refused, Mistyped):
            visit.problems = refused.problems(visit.words)
        else:
            where = self.fields.get(refused.code, self.field)
            visit.problems = [Problem(where, in_words(refused, visit.words), refused.retry_after or 0)]
        return self._again(visit, refused.status if refused.status in {429, 500, 503} else 422)

    def _again(self, visit: Visit, status: int) -> Reply:
        """The page once more, with its problem."""
        reply = self._missing(visit) or self.show(visit)
        if isinstance(reply, Html):
            reply.status = status
            if visit.problem is not None and visit.problem.wait:
                reply.headers["Retry-After"] = str(visit.problem.wait)
        return reply

    def _elsewhere(self, visit: Visit, refused: Refused) -> Reply:
        if refused.code == "SUDO_TOKEN_REQUIRED":
            return to(CONFIRM, next=visit.path)
        if refused.code not in SESSION_IS_OVER:
            raise refused
        visit.signed_out()
        visit.say("signed-out-by-time")
        return to(SIGN_IN, next=visit.path)


def to(path: str, **query: str) -> Redirect:
    """On to an own page, `next` left out where it is the first page."""
    given = {name: value for name, value in query.items() if value and (name, value) != ("next", HOME)}
    return Redirect(f"{path}?{urlencode(given, safe='/')}" if given else path)


def problem_at(visit: Visit, name: str) -> str:
    """The words beside the field, empty where it has no problem."""
    return next((problem.text for problem in visit.problems if problem.field == name), "")


def _send(resp: falcon.Response, visit: Visit, reply: Reply) -> None:
    if isinstance(reply, Redirect):
        resp.status = falcon.HTTP_303
        resp.set_header("Location", reply.to)
        _send_common(resp, visit)
        return
    if isinstance(reply, File):
        resp.content_type = "text/plain; charset=utf-8"
        resp.set_header("Content-Disposition", f"attachment; filename*=UTF-8''{quote(reply.name)}")
        resp.data = reply.content
        _send_common(resp, visit)
        return
    resp.data = looks.render(reply.template, _layout(visit) | reply.values)
    resp.status = reply.status
    resp.content_type = falcon.MEDIA_HTML
    resp.set_headers(reply.headers)
    _send_common(resp, visit)


def _send_common(resp: falcon.Response, visit: Visit) -> None:
    # A form that is sent may end at the app that the person came from: browsers hold that against the policy, too.
    back = f" {web_origin(visit.return_to)}" if visit.return_to else ""
    resp.set_headers(headers(back))
    for header in visit.cookies.headers():
        resp.append_header("Set-Cookie", header)


def headers(form_action: str = "") -> dict[str, str]:
    """Those of every page; forms may end at this host, and at the further places of `form_action`."""
    return {
        "Cache-Control": "no-store",
        "Content-Security-Policy": (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
            f"form-action 'self'{form_action}; base-uri 'none'; frame-ancestors 'none'"
        ),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        # Not `no-referrer`: with that, browsers name no origin when a form is sent (Fetch, section 3.2).
        "Referrer-Policy": "same-origin",
        "Vary": "Accept-Language, Cookie",
        "X-Frame-Options": "DENY",
    }


def _layout(visit: Visit) -> dict[str, Any]:
    """What every template may use."""
    return {
        "brand": visit.brand,
        "form_token": visit.form_token,
        "home": HOME,
        "language": visit.language,
        "logo": _own_logo(visit),
        "next": visit.next,
        "notes": visit.texts.notes,
        "password_classes": visit.env.settings.password_composition == "classes",  # noqa: S105 -- a choice, no password
        "path": visit.path,
        "problem": visit.problem,
        "problems": visit.problems,
        "return_to": visit.return_to,
        "return_host": visit.return_to and web_origin(visit.return_to).partition("://")[2],
        "said": visit.said,
        "shortest_password": visit.env.settings.password_min_length,
        "user": visit.user,
        "catalogue": visit.words,
        "problem_at": lambda name: problem_at(visit, name),
        "typed": visit.typed,
    }


def _own_logo(visit: Visit) -> str | None:
    """The brand's logo, if this host serves it: pages ask no other host for anything."""
    if visit.brand.logo is not None:
        return looks.logo_url(visit.brand)
    url = visit.brand.logo_url
    return url if url and web_origin(url) == web_origin(visit.env.settings.public_url) else None


def _send_fault(req: falcon.Request, resp: falcon.Response, visit: Visit, error: Exception) -> None:
    """The page of last resort, which asks the database for nothing."""
    response = response_to(req.env, error)
    is_wait = isinstance(error, DatabaseUnavailable)
    text = in_words(Refused("DATABASE_UNAVAILABLE", DATABASE_RETRY_S), visit.words) if is_wait else ""
    resp.status = response.status
    resp.content_type = falcon.MEDIA_HTML
    resp.data = looks.render(
        "fault",
        bare(visit) | {"path": visit.path, "request_id": req.env[REQUEST_ID], "text": text},
    )
    if is_wait:
        resp.set_header("Retry-After", str(DATABASE_RETRY_S))
    _send_common(resp, visit)


def bare(visit: Visit) -> dict[str, Any]:
    """What the layout needs of a page that stands alone: without forms, a user, or what the page before said."""
    return {
        "brand": visit.brand,
        "home": HOME,
        "language": visit.language,
        "logo": None,
        "notes": visit.texts.notes,
        "path": HOME,
        "problem": None,
        "problems": [],
        "return_to": None,
        "said": "",
        "user": None,
        "catalogue": visit.words,
    }
