"""Which mails there are, and what each needs and shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Params = Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Mail:
    """What a mail is made of: the parameters it needs, and the details it shows where they are given."""

    kind: Literal["code", "notice", "plain"]
    needs: tuple[str, ...] = ()
    details: tuple[str, ...] = ("address", "client_address", "device", "at")
    action: Literal["action", "invitation_action"] | None = None  # the phrase on its button

    @property
    def placeholders(self) -> frozenset[str]:
        """What the texts of this mail may hold in braces."""
        made = {"minutes": "lifetime", "remaining": "codes_left", "address": "address"}
        return frozenset({"brand"} | {made[name] for name in self.needs if name in made})


_CODE = ("code", "minutes")
_ASKED = ("client_address", "device", "at")  # for an address that may be a stranger's: the account is not named
_NOTICE = Mail("notice", action="action")
MAILS: Mapping[str, Mail] = {
    "reset-code": Mail("code", _CODE),
    "email-otp-code": Mail("code", _CODE),
    "email-otp-setup-code": Mail("code", _CODE, _ASKED),
    "transfer-code": Mail("code", _CODE, _ASKED),
    "invitation": Mail("code", _CODE, ("address",), action="invitation_action"),
    "test": Mail("plain", details=("at",)),
    "password-changed": _NOTICE,
    "password-reset": _NOTICE,
    "new-sign-in": _NOTICE,
    "address-changed": Mail("notice", ("address",), _ASKED),
    "totp-enabled": _NOTICE,
    "totp-replaced": _NOTICE,
    "totp-disabled": _NOTICE,
    "email-otp-enabled": _NOTICE,
    "email-otp-disabled": _NOTICE,
    "recovery-codes-replaced": _NOTICE,
    "recovery-codes-ended": _NOTICE,
    "recovery-code-used": Mail("notice", ("remaining",), action="action"),
}

SAMPLE: Params = {
    "code": "482913",
    "minutes": 10,
    "address": "ann@example.org",
    "client_address": "192.0.2.7",
    "device": "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "at": 1_795_535_100_000,  # 24 November 2026, 15:45 UTC
    "remaining": 3,
}
"""Parameters that every mail can be shown with."""
