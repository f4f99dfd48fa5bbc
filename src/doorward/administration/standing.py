"""Whether a user can sign in just now, and what keeps them from it: read from all places that can refuse one."""

from dataclasses import dataclass
from itertools import islice
from typing import Literal

from doorward import audit, codes, throttles
from doorward.accounts.view import Account, view
from doorward.administration import administrators, mails
from doorward.administration.mails import MailState
from doorward.audit import AnyEvent, Wanted
from doorward.codes import Newest
from doorward.core.client import Client
from doorward.core.db import Tx
from doorward.env import Env
from doorward.factors import email_otp, recovery, totp
from doorward.factors.common import throttle_key
from doorward.passwords import flows as passwords
from doorward.passwords import guesses
from doorward.sessions import store as sessions
from doorward.sessions.store import Seen
from doorward.users import names
from doorward.users.store import User

LOOKED_AT = 200
"""So many of the user's newest events tell of the last logins."""
MOST_NETWORKS = 50
MOST_MAILS = 20
MOST_SESSIONS = 50

What = Literal["password", "password-known", "password-network", "totp", "recovery-code", "reset-mail", "otp-mail"]
ENDED_BY_ADMINISTRATORS: frozenset[What] = frozenset({"password", "password-known", "totp", "recovery-code"})
"""The waits of this account alone, for wrong guesses (`accounts.waits`)."""
REFUSALS = frozenset({"login.refused", "second_factor.refused"})


@dataclass(frozen=True)
class Wait:
    """What has to wait, until when (milliseconds; None: for good), and from which network alone."""

    what: What
    until: int | None
    network: str | None = None


@dataclass(frozen=True)
class Standing:
    """All of it, as seen at `seen_at` (milliseconds).

    `refused` and `succeeded` are the last logins of either kind; `code` is the newest one for a new password.
    """

    seen_at: int
    account: Account
    is_administrator: bool
    waits: list[Wait]
    refused: AnyEvent | None
    succeeded: AnyEvent | None
    code: Newest | None
    mails: list[MailState]
    sessions: list[Seen]

    @property
    def has_waits_to_end(self) -> bool:
        """Whether an administrator can end any of the waits."""
        return any(wait.what in ENDED_BY_ADMINISTRATORS for wait in self.waits)


def of(env: Env, user_id: int) -> Standing:
    """Raises NoSuchUser."""
    account = view(env, user_id)
    user = account.user
    with env.db.read() as tx:
        recent = audit.page(tx, Wanted(user_id=user.id), LOOKED_AT)
        refused = next((event for event in recent if event.type in REFUSALS), None)
        return Standing(
            seen_at=tx.now,
            account=account,
            is_administrator=administrators.is_one(tx, user.id),
            waits=_waits(tx, env, user, recent),
            refused=refused,
            succeeded=next((event for event in recent if event.type == "login.succeeded"), None),
            code=codes.find_newest(tx, "reset", names.key(user.email)),
            mails=mails.to(tx, env, {user.email, account.email_otp_address or user.email}, MOST_MAILS),
            sessions=sessions.living(tx, user.id, env.settings)[:MOST_SESSIONS],
        )


def _waits(tx: Tx, env: Env, user: User, recent: list[AnyEvent]) -> list[Wait]:
    known = set(sessions.known_networks(tx, user.id, MOST_NETWORKS))
    seen = (Client(event.client_address).network for event in recent if event.type in REFUSALS and event.client_address)
    strange = set(islice(dict.fromkeys(network for network in seen if network not in known), MOST_NETWORKS))
    keys: dict[str, tuple[What, str | None]] = {
        guesses.of_user(user.id): ("password", None),
        throttle_key(totp.METHOD, user.id): ("totp", None),
        throttle_key(recovery.METHOD, user.id): ("recovery-code", None),
        passwords.mail_key(env, names.key(user.email)): ("reset-mail", None),
        email_otp.mail_key(user.id): ("otp-mail", None),
    }
    keys |= {guesses.of_user_at(user.id, network): ("password-known", network) for network in known}
    keys |= {guesses.of_network(network): ("password-network", network) for network in strange}
    running = throttles.running(tx, keys)
    return [
        Wait(what, None if running[key] == throttles.LOCKED else running[key], network)
        for key, (what, network) in keys.items()
        if key in running
    ]
