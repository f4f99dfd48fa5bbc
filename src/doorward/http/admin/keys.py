"""The signing keys: what is public of them, and the next one."""

from http import HTTPStatus

import msgspec

from doorward.administration import shown, signing
from doorward.http.admin.operations import Act, Call, Operation


class KeyList(msgspec.Struct):
    """The keys that are published, oldest first."""

    items: list[shown.SigningKey]


def _list(call: Call) -> KeyList:
    return KeyList([shown.signing_key(facts) for facts in signing.published(call.env)])


def _rotate(call: Call) -> shown.SigningKey:
    return shown.signing_key(signing.facts(call.env, signing.rotate(call.env, call.by)))


OPERATIONS = (
    Operation("signingKeys", "GET", "/keys", "The signing keys that are published", "keys:read", _list, KeyList),
    Operation(
        "rotateKeys", "POST", "/keys/rotate", "Publish a new signing key, which signs in seven minutes", "keys:write",
        _rotate, shown.SigningKey, body=Act, status=HTTPStatus.CREATED,
    ),
)  # fmt: skip
