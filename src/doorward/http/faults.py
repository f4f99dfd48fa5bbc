"""What becomes of whatever is raised while a request is answered."""

from collections.abc import Iterable
from typing import Any

from doorward.core.errors import BadInput, DatabaseUnavailable, Refused
from doorward.core.logs import logger
from doorward.http.answers import NO_STORE, Response, refuse

DATABASE_RETRY_S = 2

# What the log is to say of a request, noted in its environ.
REQUEST_ID = "doorward.request_id"
OPERATION = "doorward.operation"
REFUSAL = "doorward.refusal"


def response_to(environ: dict[str, Any], error: Exception) -> Response:
    """The answer to a refusal, or to a fault, which is logged."""
    if isinstance(error, Refused):
        refused = error
    elif isinstance(error, DatabaseUnavailable):
        refused = Refused("DATABASE_UNAVAILABLE", DATABASE_RETRY_S)
        logger.error("database unavailable", error, request_id=environ[REQUEST_ID])
    else:
        refused = Refused("INTERNAL_ERROR")
        logger.error("crash", error, request_id=environ[REQUEST_ID])
    # A bad input's message may quote what was sent; the log says only that it was bad.
    environ[REFUSAL] = "BAD_INPUT" if isinstance(refused, BadInput) else refused.code
    return refuse(refused)


def other_verb(environ: dict[str, Any], verbs: Iterable[str]) -> Response:
    """The answer to a verb that a path does not take; these are the ones that it does."""
    allow = "Allow", ", ".join(["OPTIONS", *verbs])
    if environ["REQUEST_METHOD"] == "OPTIONS":
        return Response(204, [allow, NO_STORE])
    response = response_to(environ, Refused("METHOD_NOT_ALLOWED"))
    response.headers.append(allow)
    return response
