"""The paths that are for people: the account pages, the console, the reference and the inbox. By Falcon."""

from collections.abc import Callable
from typing import Any

import falcon

from doorward.core.errors import BadInput, Refused
from doorward.env import Env
from doorward.http import console, pages
from doorward.http.answers import NO_STORE, NOSNIFF, Headers, Response
from doorward.http.arrivals import Arrivals
from doorward.http.clients import ClientAddresses
from doorward.http.faults import OPERATION, response_to
from doorward.http.pages.not_found import NotFound, is_for_a_person
from doorward.http.pages.visit import HOME
from doorward.http.reference import ASSETS, Docs, DocsAsset, ErrorCodes, OpenApi
from doorward.mail.delivery import Inbox

TWO_SLASHES = "//"
"""A path that begins so is none. Falcon reads one, but a proxy's rule for `/admin` does not; and a form that is sent to
where it came from would go to a host of the name `admin`."""
FRONT_DOOR = "/"
CODES = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED"}


class Site:
    """Answers requests for them; with the development inbox if one is given."""

    def __init__(self, env: Env, addresses: ClientAddresses, arrivals: Arrivals, inbox: Inbox | None) -> None:
        self._not_found = NotFound(env, addresses, arrivals)
        self._app: falcon.App[Any, Any] = falcon.App(middleware=[_NameOperation()])
        pages.add_routes(self._app, env, addresses, arrivals)
        console.add_routes(self._app, env, addresses, arrivals)
        _add_reference(self._app)
        if inbox is not None:
            from doorward.http import inbox as inbox_pages  # noqa: PLC0415 -- production does without

            inbox_pages.add_routes(self._app, inbox, addresses)
        self._app.add_error_handler(Exception, _fault)
        self._app.add_error_handler(falcon.HTTPError, self._http_error)

    def __call__(self, environ: dict[str, Any]) -> Response:
        if environ["PATH_INFO"].startswith(TWO_SLASHES):
            return response_to(environ, Refused("NOT_FOUND"))
        response = Response(500, [])

        def start(status: str, headers: Headers, _error: Any = None) -> Callable[[bytes], object]:
            response.status, response.headers = int(status[:3]), headers
            return lambda _: None

        response.body = b"".join(self._app(environ, start))
        present = {name.lower() for name, _ in response.headers}
        response.headers += [each for each in (NOSNIFF, NO_STORE) if each[0].lower() not in present]
        return response

    def _http_error(self, req: falcon.Request, resp: falcon.Response, error: falcon.HTTPError, params: Any) -> None:
        code = CODES.get(error.status_code)
        refused = BadInput(error.title or "Bad request") if code is None else Refused(code)
        if code == "NOT_FOUND" and _is_at_front_door(req):
            resp.status = falcon.HTTP_303
            resp.set_headers({"Location": HOME, "Vary": "Accept"})
            return
        if code == "NOT_FOUND" and self._not_found.suits(req):
            resp.status = response_to(req.env, refused).status
            self._not_found.send(req, resp)
            return
        resp.set_headers(error.headers or {})
        _fault(req, resp, refused, params)


class _NameOperation:
    """Tells the log which route a request took."""

    def process_resource(self, req: falcon.Request, _resp: falcon.Response, _resource: Any, _params: Any) -> None:
        req.env[OPERATION] = f"{req.method} {req.uri_template}"


def _add_reference(app: falcon.App[Any, Any]) -> None:
    app.add_route("/openapi.json", OpenApi())
    app.add_route("/docs", Docs())
    app.add_route("/docs/errors.json", ErrorCodes())
    for name in ASSETS:
        app.add_route(f"/docs/assets/{name}", DocsAsset(name))


def _is_at_front_door(req: falcon.Request) -> bool:
    """Whether a browser asks for the service's bare address, as mails name it."""
    return req.method in {"GET", "HEAD"} and req.path == FRONT_DOOR and is_for_a_person(req)


def _fault(req: falcon.Request, resp: falcon.Response, error: Exception, _params: Any) -> None:
    response = response_to(req.env, error)
    resp.status = response.status
    resp.set_headers(response.headers)
    resp.data = response.body
