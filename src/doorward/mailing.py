"""Mailing a code: a wait, the code and its mail, in one transaction."""

from doorward import codes
from doorward.codes import Purpose
from doorward.core.client import Client
from doorward.core.db import Tx
from doorward.core.errors import Refused
from doorward.env import Env
from doorward.mail.domains import is_forbidden
from doorward.mail.notices import MailChoice, code_mail
from doorward.users import names

TEMPLATES: dict[Purpose, str] = {
    "reset": "reset-code",
    "email-otp": "email-otp-code",
    "email-otp-setup": "email-otp-setup-code",
    "transfer": "transfer-code",
    "invitation": "invitation",
}


def require_template(env: Env, purpose: Purpose, choice: MailChoice) -> None:
    """Raises Refused("UNABLE_TO_FIND_MAIL_TEMPLATE"), before anything is looked up or written."""
    env.mails.check(TEMPLATES[purpose], choice.origin, choice.language)


def new_address(env: Env, text: str) -> str:
    """A typed address that mail may be sent to. Raises BadInput, Refused("FORBIDDEN_MAIL_PROVIDER")."""
    address = names.address(text)
    blocked = frozenset(env.settings.blocked_mail_domains)
    if is_forbidden(address, blocked, env.settings.allow_disposable_mail):
        raise Refused("FORBIDDEN_MAIL_PROVIDER")
    return address


def send_code(
    tx: Tx,
    env: Env,
    purpose: Purpose,
    subject: str,
    *,
    user_id: int | None,
    address: str,
    choice: MailChoice,
    client: Client,
) -> None:
    """Keep a new code and queue its mail; without a user the same is written and no mail goes out."""
    code = codes.new_code()
    lifetime = codes.lifetime(purpose)
    codes.put(tx, env.vault, purpose, subject, code=code, address=address, user_id=user_id)
    mail = code_mail(address, TEMPLATES[purpose], choice, client, tx.now, code, lifetime)
    env.outbox.put(tx, mail if user_id is not None else None, tx.now + lifetime)
