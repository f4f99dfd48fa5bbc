"""The WSGI app: the contract's operations by one look-up, every other path by `Site`, and around both `Observed`."""

from typing import Any

from doorward.core.errors import Refused
from doorward.env import Env
from doorward.http.answers import NO_STORE, Response, respond
from doorward.http.api import OPERATIONS
from doorward.http.clients import ClientAddresses
from doorward.http.cors import Cors
from doorward.http.faults import OPERATION, response_to
from doorward.http.gate import Gate
from doorward.http.observe import Observed
from doorward.http.operations import Operation, Operations
from doorward.http.site import Site
from doorward.mail.delivery import Inbox
from doorward.sessions.flows import Sessions


def make_app(env: Env, inbox: Inbox | None = None) -> Observed:
    """The app over `env`; with the development inbox if one is given."""
    addresses = ClientAddresses(env.settings.trusted_proxies)
    operations = Operations(env, Gate(env, Sessions(env)), addresses, OPERATIONS)
    return Observed(_Router(operations, Site(env, addresses, inbox)), addresses, Cors(env.settings.web_origins))


class _Router:
    """The answer to a request, whatever becomes of it."""

    def __init__(self, operations: Operations, site: Site) -> None:
        self._operations = operations
        self._site = site

    def __call__(self, environ: dict[str, Any]) -> Response:
        by_verb = self._operations.at(environ["PATH_INFO"])
        if by_verb is None:
            return self._site(environ)
        operation = by_verb.get(environ["REQUEST_METHOD"])
        if operation is None:
            return _other_verb(environ, by_verb)
        environ[OPERATION] = operation.name
        try:
            return respond(self._operations.answer(operation, environ))
        except Exception as error:  # noqa: BLE001 -- whatever it is, the caller gets an answer
            return response_to(environ, error)


def _other_verb(environ: dict[str, Any], by_verb: dict[str, Operation]) -> Response:
    allow = "Allow", ", ".join(["OPTIONS", *by_verb])
    if environ["REQUEST_METHOD"] == "OPTIONS":
        return Response(204, [allow, NO_STORE])
    response = response_to(environ, Refused("METHOD_NOT_ALLOWED"))
    response.headers.append(allow)
    return response
