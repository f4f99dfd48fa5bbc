"""The OpenAPI document of the administrators' API, made from its table of operations."""

from collections.abc import Iterable
from http import HTTPStatus
from inspect import cleandoc
from typing import Any

import msgspec

from doorward import __version__
from doorward.core.errors import CATALOGUE, REASONS
from doorward.http.admin.operations import ROOT, Operation
from doorward.http.answers import JSON

ANY_KEY = ("NO_TOKEN_PROVIDED", "API_KEY_INVALID", "API_KEY_EXPIRED", "API_KEY_REVOKED", "SCOPE_MISSING")
NUMBERS = frozenset({"userId", "mailId"})
ERROR = {
    "type": "object",
    "required": ["statusCode", "error", "message"],
    "properties": {
        "statusCode": {"type": "integer"},
        "error": {"type": "string"},
        "message": {"type": "string"},
        "retryAfter": {"type": "integer", "minimum": 1},
    },
}


def document(operations: Iterable[Operation]) -> dict[str, Any]:
    """OpenAPI 3.1."""
    operations = list(operations)
    kinds = [each.gives for each in operations if each.gives] + [each.body for each in operations if each.body]
    schemas, components = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    for each in components.values():
        # As msgspec takes it from a docstring, with its margin.
        each["description"] = cleandoc(each["description"])
    named = dict(zip(kinds, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for each in operations:
        paths.setdefault(ROOT + each.path, {})[each.verb.lower()] = _operation(each, named)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Doorward administration", "version": __version__},
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "schemas": components | {"Error": ERROR},
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "Made by `doorward admin keys create`."}
            },
        },
    }


def _operation(operation: Operation, named: dict[Any, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.id,
        "summary": operation.summary,
        "description": f"Scope: `{operation.scope}`.",
        "tags": [operation.path.split("/")[1]],
        "parameters": [*_places(operation), *_query(operation)],
        "responses": _responses(operation, named),
    }
    if operation.body is not None:
        described["requestBody"] = {"required": True, "content": {JSON: {"schema": named[operation.body]}}}
    return described


def _places(operation: Operation) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "integer", "minimum": 0} if name in NUMBERS else {"type": "string"},
        }
        for name in operation.pattern.groupindex
    ]


def _query(operation: Operation) -> list[dict[str, Any]]:
    _, components = msgspec.json.schema_components([operation.query])
    schema = components[operation.query.__name__]
    return [
        {"name": name, "in": "query", "required": False, "schema": each} for name, each in schema["properties"].items()
    ]


def _responses(operation: Operation, named: dict[Any, Any]) -> dict[str, Any]:
    if operation.gives is None:
        good: dict[str, Any] = {str(int(HTTPStatus.NO_CONTENT)): {"description": "Done."}}
    else:
        content = {JSON: {"schema": named[operation.gives]}}
        good = {str(int(operation.status)): {"description": "Done.", "content": content}}
    return good | _refusals((*ANY_KEY, *operation.refusals)) | {"400": _error("What was sent is not as described.")}


def _refusals(codes: Iterable[str]) -> dict[str, Any]:
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(CATALOGUE[code][0], []).append(code)
    return {
        str(status): _error(f"{REASONS[status]}: " + " ".join(f"`{code}`: {CATALOGUE[code][1]}" for code in codes))
        for status, codes in by_status.items()
    }


def _error(description: str) -> dict[str, Any]:
    return {"description": description, "content": {JSON: {"schema": {"$ref": "#/components/schemas/Error"}}}}


def reference(operations: Iterable[Operation]) -> str:
    """The operations as a table in Markdown, as `docs/admin-api.md` holds it."""
    rows = ["| operation | scope | what it does |", "| --- | --- | --- |"]
    rows += [f"| `{each.verb} {each.path}` | `{each.scope}` | {each.summary} |" for each in operations]
    return "\n".join(rows)
