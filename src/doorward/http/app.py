"""The WSGI app: every route, and what becomes of errors."""

from http import HTTPStatus
from typing import Any

import falcon

from doorward.core.errors import BadInput, DatabaseUnavailable, Refused
from doorward.core.logs import FIELDS, logger
from doorward.env import Env
from doorward.http import service
from doorward.http.answers import send_error
from doorward.http.api import OPERATIONS
from doorward.http.clients import ClientAddresses
from doorward.http.cors import Cors
from doorward.http.gate import Gate
from doorward.http.observe import OPERATION, REFUSAL, REQUEST_ID, Observed
from doorward.http.operations import Operation, Path
from doorward.http.reference import ASSETS, Docs, DocsAsset, ErrorCodes, OpenApi
from doorward.mail.delivery import Inbox
from doorward.sessions.flows import Sessions

DATABASE_RETRY_S = 2


def make_app(env: Env, inbox: Inbox | None = None) -> Observed:
    """The app over `env`; with the development inbox if one is given."""
    addresses = ClientAddresses(env.settings.trusted_proxies)
    app: falcon.App[Any, Any] = falcon.App(middleware=[_NameOperation()])
    _add_operations(app, env, addresses)
    _add_service(app, env)
    if inbox is not None:
        from doorward.http import inbox as inbox_pages  # noqa: PLC0415 -- production does without

        inbox_pages.add_routes(app, inbox, addresses)
    app.add_error_handler(Exception, _crashed)
    app.add_error_handler(falcon.HTTPError, _http_error)
    app.add_error_handler(DatabaseUnavailable, _database_unavailable)
    app.add_error_handler(Refused, _refused)
    return Observed(app, addresses, Cors(env.settings.web_origins))


class _NameOperation:
    """Tells the log which route a request took."""

    def process_resource(self, req: falcon.Request, _resp: falcon.Response, _resource: Any, _params: Any) -> None:
        req.env[OPERATION] = f"{req.method} {req.uri_template}"


def _add_operations(app: falcon.App[Any, Any], env: Env, addresses: ClientAddresses) -> None:
    gate = Gate(env, Sessions(env))
    by_path: dict[str, list[Operation]] = {}
    for operation in OPERATIONS:
        by_path.setdefault(operation.path, []).append(operation)
    for path, operations in by_path.items():
        app.add_route(path, Path(env, gate, addresses, operations))


def _add_service(app: falcon.App[Any, Any], env: Env) -> None:
    app.add_route("/health/live", service.Live())
    app.add_route("/health/ready", service.Ready(env))
    app.add_route("/metrics", service.Metrics())
    app.add_route("/.well-known/jwks.json", service.Jwks(env))
    app.add_route("/openapi.json", OpenApi())
    app.add_route("/docs", Docs())
    app.add_route("/docs/errors.json", ErrorCodes())
    for name in ASSETS:
        app.add_route(f"/docs/assets/{name}", DocsAsset(name))


def _refused(req: falcon.Request, resp: falcon.Response, refused: Refused, _params: Any) -> None:
    # A bad input's message may quote what was sent; the log says only that it was bad.
    req.env[REFUSAL] = "BAD_INPUT" if isinstance(refused, BadInput) else refused.code
    send_error(resp, refused)


def _http_error(req: falcon.Request, resp: falcon.Response, error: falcon.HTTPError, params: Any) -> None:
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        resp.set_header("Allow", (error.headers or {}).get("Allow", ""))  # type: ignore[union-attr]
        _refused(req, resp, Refused("METHOD_NOT_ALLOWED"), params)
    elif error.status_code == HTTPStatus.NOT_FOUND:
        _refused(req, resp, Refused("NOT_FOUND"), params)
    else:
        _refused(req, resp, BadInput(error.title or "Bad request"), params)


def _database_unavailable(req: falcon.Request, resp: falcon.Response, error: Exception, params: Any) -> None:
    _log_fault(req, "database unavailable", error)
    _refused(req, resp, Refused("DATABASE_UNAVAILABLE", DATABASE_RETRY_S), params)


def _crashed(req: falcon.Request, resp: falcon.Response, error: Exception, params: Any) -> None:
    _log_fault(req, "crash", error)
    _refused(req, resp, Refused("INTERNAL_ERROR"), params)


def _log_fault(req: falcon.Request, event: str, error: Exception) -> None:
    logger.error(event, exc_info=error, extra={FIELDS: {"request_id": req.env[REQUEST_ID]}})
