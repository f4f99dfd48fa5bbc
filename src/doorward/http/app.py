"""The WSGI app: one look-up finds what answers a path, and `Observed` stands around it.

The contract's operations and the operational paths are functions; what is for people (`Site`) and for administrators
(`AdminApi`) is loaded when somebody asks for it.
"""

import threading
from collections.abc import Callable
from typing import Any

from doorward.core.tallies import Errors
from doorward.env import Env
from doorward.http import seen
from doorward.http.answers import Response, respond
from doorward.http.api import OPERATIONS
from doorward.http.arrivals import Arrivals
from doorward.http.clients import ClientAddresses
from doorward.http.cors import Cors
from doorward.http.faults import OPERATION, other_verb, response_to
from doorward.http.figures import Figures
from doorward.http.gate import Gate
from doorward.http.observe import Answering, Observed, Observing
from doorward.http.operations import Operation, Operations
from doorward.http.service import service_paths
from doorward.mail.delivery import Inbox

# How a path is answered: by verb, the name for the log and the function.
Verbs = dict[str, tuple[str, Answering]]


def make_app(
    env: Env,
    figures: Figures,
    inbox: Inbox | None,
    is_stopping: Callable[[], bool],
    errors: Errors,
    observed: Observing = Observed,
) -> Observed:
    """The app over `env`; with the development inbox if one is given. `observed` makes what stands around it."""
    addresses = ClientAddresses(env.settings.trusted_proxies)
    arrivals = Arrivals(env.settings.request_threads // 2)
    operations = Operations(env, Gate(env), addresses, arrivals)
    paths: dict[str, Verbs] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.verb] = operation.name, _operation(operations, operation)
    for path, answer in service_paths(env, figures, is_stopping).items():
        paths[path] = {"GET": (f"GET {path}", _service(answer))}
    paths[seen.PATH] = {"GET": (f"GET {seen.PATH}", seen.Seen(env, addresses))}
    site = _Later(lambda: _site(env, addresses, arrivals, inbox))
    admin = _Later(lambda: _admin(env, addresses, arrivals))
    router = _Router(paths, lambda environ: (admin if _is_admins(environ) else site)(environ))
    return observed(router, addresses, Cors(env.settings.web_origins), is_stopping, errors)


def _operation(operations: Operations, operation: Operation) -> Answering:
    return lambda environ: respond(operations.answer(operation, environ))


def _service(answer: Callable[[], Response]) -> Answering:
    return lambda _: answer()


class _Router:
    """The answer to a request, whatever becomes of it."""

    def __init__(self, paths: dict[str, Verbs], otherwise: Answering) -> None:
        self._paths = paths
        self._otherwise = otherwise

    def __call__(self, environ: dict[str, Any]) -> Response:
        verbs = self._paths.get(environ["PATH_INFO"])
        if verbs is None:
            return self._otherwise(environ)
        found = verbs.get(environ["REQUEST_METHOD"])
        if found is None:
            return other_verb(environ, verbs)
        environ[OPERATION], answer = found
        try:
            return answer(environ)
        except Exception as error:  # noqa: BLE001 -- whatever it is, the caller gets an answer
            return response_to(environ, error)


class _Later:
    """What is made at the first request for it: a service that only answers apps starts sooner and smaller."""

    def __init__(self, make: Callable[[], Answering]) -> None:
        self._make = make
        self._making = threading.Lock()
        self._answer: Answering | None = None

    def __call__(self, environ: dict[str, Any]) -> Response:
        return (self._answer or self._made())(environ)

    def _made(self) -> Answering:
        with self._making:
            if self._answer is None:
                self._answer = self._make()
            return self._answer


def _site(env: Env, addresses: ClientAddresses, arrivals: Arrivals, inbox: Inbox | None) -> Answering:
    from doorward.http.site import Site  # noqa: PLC0415

    return Site(env, addresses, arrivals, inbox)


def _is_admins(environ: dict[str, Any]) -> bool:
    return str(environ["PATH_INFO"]).startswith("/admin/api/")


def _admin(env: Env, addresses: ClientAddresses, arrivals: Arrivals) -> Answering:
    from doorward.http.admin.api import AdminApi  # noqa: PLC0415

    return AdminApi(env, addresses, arrivals)
