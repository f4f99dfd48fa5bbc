"""The administrators' API below `/admin/api` (docs/admin-api.md), loaded at the first request for it."""

from doorward.http.admin import events, keys, mails, settings, users
from doorward.http.admin.operations import Operation

OPERATIONS: tuple[Operation, ...] = (
    *users.OPERATIONS,
    *events.OPERATIONS,
    *mails.OPERATIONS,
    *keys.OPERATIONS,
    *settings.OPERATIONS,
)
"""All of it: what is answered and what `openapi.json` says both come from here."""
