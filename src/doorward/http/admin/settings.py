"""The settings in force."""

import msgspec

from doorward.http.admin.operations import Call, Operation
from doorward.settings import shown


class SettingsInForce(msgspec.Struct):
    """Every setting as text, secrets hidden."""

    settings: dict[str, str]


def _show(call: Call) -> SettingsInForce:
    return SettingsInForce(shown(call.env.settings))


OPERATIONS = (
    Operation(
        "settings", "GET", "/settings", "The settings in force, secrets hidden", "settings:read", _show, SettingsInForce
    ),
)
