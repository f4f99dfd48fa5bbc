"""Reading request bodies: JSON into typed structs, with errors in the contract's words."""

import re
from typing import Any, TypeVar

import msgspec

from doorward.core.errors import BadInput, Refused
from doorward.http.arrivals import Arrivals
from doorward.http.request import Request

LARGEST_BODY = 64 * 1024
NOT_JSON = "Body is not valid JSON"
MISSING = re.compile(r"Object missing required field `(\w+)`")
WRONG_TYPE = re.compile(r"Expected `(\w+)`, got `\w+`(?: - at `\$\.?(\w*)`)?")
WRONG_LENGTH = re.compile(r"Expected `str` of length (<=|>=|==) (\d+) - at `\$\.(\w+)`")
UNKNOWN = re.compile(r"Object contains unknown field")
JSON_TYPES = {"str": "string", "object": "object"}

T = TypeVar("T")


class NoFields(msgspec.Struct):
    """The body of an operation that requires none: left out, or any object."""


def decoder(kind: type[T]) -> "msgspec.json.Decoder[T]":
    """What reads bodies of this kind.

    To be made before there are threads: two that made the first decoder of a struct at once would crash the process
    (msgspec fills in what it knows of the struct while others can see it).
    """
    return msgspec.json.Decoder(kind)


def read(req: Request, arrivals: Arrivals, as_kind: "msgspec.json.Decoder[T]") -> T:
    """The request's body, decoded.

    Raises BadInput, Refused: BODY_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, OVERLOADED.
    """
    raw = read_raw(req, arrivals)
    if not raw:
        raw = b"{}"
    elif not _is_json(req.content_type):
        raw = _json_in_disguise(raw, req.content_type, as_kind.type)
    try:
        return as_kind.decode(raw)
    except msgspec.ValidationError as error:
        raise BadInput(_in_words(str(error))) from None
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        raise BadInput(NOT_JSON) from None


def read_raw(req: Request, arrivals: Arrivals) -> bytes:
    """The body's bytes. One that is too large is refused before it is read, where the length is told.

    Raises BadInput, Refused: BODY_TOO_LARGE, OVERLOADED.
    """
    length = req.content_length
    if length is not None and length > LARGEST_BODY:
        raise Refused("BODY_TOO_LARGE")
    if not length and (length == 0 or not req.env.get("wsgi.input_terminated")):
        return b""
    raw = arrivals.read(req.env["wsgi.input"], LARGEST_BODY + 1 if length is None else length)
    if len(raw) > LARGEST_BODY:
        raise Refused("BODY_TOO_LARGE")
    if length is not None and len(raw) < length:
        raise BadInput(NOT_JSON)
    return raw


def _json_in_disguise(raw: bytes, content_type: str | None, kind: type[Any]) -> bytes:
    # Where no field is required, the type of an empty object does not matter; and a body without any
    # Content-Type is read for what it is.
    if content_type is None or kind is NoFields:
        try:
            if isinstance(msgspec.json.decode(raw), dict):
                return raw
        except (msgspec.DecodeError, RecursionError, UnicodeError):
            pass
    raise Refused("UNSUPPORTED_MEDIA_TYPE")


def _is_json(content_type: str | None) -> bool:
    media_type = (content_type or "").partition(";")[0].strip().lower()
    return media_type == "application/json" or (media_type.startswith("application/") and media_type.endswith("+json"))


def _in_words(error: str) -> str:
    if found := MISSING.match(error):
        return f"body must have required property '{found[1]}'"
    if UNKNOWN.match(error):
        return "body must NOT have additional properties"
    if found := WRONG_LENGTH.match(error):
        sign, count, name = found.groups()
        if sign == "==":
            return f"body/{name} must have exactly {count} characters"
        return f"body/{name} must NOT have {'more' if sign == '<=' else 'fewer'} than {count} characters"
    if found := WRONG_TYPE.match(error):
        where = f"body/{found[2]}" if found[2] else "body"
        return f"{where} must be {JSON_TYPES.get(found[1], found[1])}"
    return NOT_JSON
