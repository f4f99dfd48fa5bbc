"""Answers requests to the administrators' API."""

from http import HTTPStatus
from typing import Any

from doorward.accounts.flows import NameTaken, NoSuchUser, NotInvited
from doorward.administration import keys
from doorward.administration.keys import AdminKey
from doorward.administration.reasons import one_line
from doorward.audit import By
from doorward.core.errors import BadInput, Refused
from doorward.core.logs import logger
from doorward.env import Env
from doorward.http import bodies
from doorward.http.admin import OPERATIONS, openapi, query
from doorward.http.admin.operations import ROOT, Act, Call, Operation
from doorward.http.answers import JSON, NO_STORE, Response, encode_json, respond, with_body
from doorward.http.arrivals import Arrivals
from doorward.http.clients import ClientAddresses
from doorward.http.faults import OPERATION, REQUEST_ID, other_verb, response_to
from doorward.http.request import Request

DOCUMENT = f"{ROOT}/openapi.json"
REFUSALS: dict[type[Exception], str] = {
    NoSuchUser: "USER_NOT_FOUND",
    NameTaken: "NAME_ALREADY_IN_USE",
    NotInvited: "INVITATION_OVER",
}
SCHEME = "bearer"


class AdminApi:
    """The operations of the table, each behind a key with its scope."""

    def __init__(self, env: Env, addresses: ClientAddresses, arrivals: Arrivals) -> None:
        self._env = env
        self._addresses = addresses
        self._arrivals = arrivals
        self._document = encode_json(openapi.document(OPERATIONS))

    def __call__(self, environ: dict[str, Any]) -> Response:
        path, verb = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        if path == DOCUMENT:
            return self._describe(environ) if verb == "GET" else other_verb(environ, ["GET"])
        found = [(each, place) for each in OPERATIONS if (place := each.pattern.fullmatch(path)) is not None]
        for operation, place in found:
            if operation.verb == verb:
                environ[OPERATION] = operation.name
                try:
                    return self._answer(operation, place.groupdict(), environ)
                except Exception as error:  # noqa: BLE001 -- whatever it is, the caller gets an answer
                    return response_to(environ, _refusal(error))
        if found:
            return other_verb(environ, [operation.verb for operation, _ in found])
        return response_to(environ, Refused("NOT_FOUND"))

    def _describe(self, environ: dict[str, Any]) -> Response:
        environ[OPERATION] = f"GET {DOCUMENT}"
        return with_body(HTTPStatus.OK, [NO_STORE], JSON, self._document)

    def _answer(self, operation: Operation, place: dict[str, str], environ: dict[str, Any]) -> Response:
        req = Request(environ)
        # The key comes first: nothing is read of who has none.
        key = keys.admit(self._env, _secret(environ), operation.scope)
        logger.info("administrator", request_id=environ[REQUEST_ID], operation=operation.name, key=key.name)
        asked = query.read(req, operation.query)
        body = None if operation.decoder is None else bodies.read(req, self._arrivals, operation.decoder)
        answer = operation.does(Call(self._env, self._by(key, body, environ), place, asked, body))
        response = respond(answer)
        if answer is not None:
            response.status = operation.status
        return response

    def _by(self, key: AdminKey, body: Act | None, environ: dict[str, Any]) -> By:
        return By(key.name, None if body is None else _reason(body), self._addresses.of(environ))


def _secret(environ: dict[str, Any]) -> str | None:
    """The key of the request. A cookie is none: no browser is to send it by itself."""
    scheme, _, secret = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    return secret.strip(" \t") if scheme.lower() == SCHEME else None


def _reason(act: Act) -> str:
    """Why, in a line that a terminal and a page can show. Raises BadInput."""
    reason = one_line(act.reason)
    if reason is None:
        raise BadInput("body/reason must be words in one line")
    return reason


def _refusal(error: Exception) -> Exception:
    code = REFUSALS.get(type(error))
    return error if code is None else Refused(code)
