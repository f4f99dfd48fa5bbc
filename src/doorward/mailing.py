"""Mailing a code: a wait, the code and its mail, in one transaction."""

from dataclasses import dataclass, replace
from typing import Literal

from doorward import codes, throttles
from doorward.codes import Purpose
from doorward.core.client import Client
from doorward.core.clock import DAY
from doorward.core.db import Tx
from doorward.core.errors import Refused
from doorward.env import Env
from doorward.mail.domains import is_forbidden
from doorward.mail.notices import MailChoice, code_mail, notice
from doorward.users import names
from doorward.users import store as users

Occasion = Literal["reset", "email-otp", "email-otp-setup", "transfer", "invitation"]


@dataclass(frozen=True)
class CodeMail:
    """A mail with a code: what the code is good for, and for how many milliseconds."""

    template: str
    purpose: Purpose
    lifetime: int = codes.LIFETIME


CODE_MAILS: dict[Occasion, CodeMail] = {
    "reset": CodeMail("reset-code", "reset"),
    "email-otp": CodeMail("email-otp-code", "email-otp"),
    "email-otp-setup": CodeMail("email-otp-setup-code", "email-otp-setup"),
    "transfer": CodeMail("transfer-code", "transfer"),
    # A reset's code that lives longer: the first password is set as every later one is.
    "invitation": CodeMail("invitation", "reset", 7 * DAY),
}


def require_template(env: Env, occasion: Occasion, choice: MailChoice) -> None:
    """Raises Refused("UNABLE_TO_FIND_MAIL_TEMPLATE"), before anything is looked up or written."""
    env.mails.check(CODE_MAILS[occasion].template, choice.origin, choice.language)


def new_address(env: Env, text: str) -> str:
    """A typed address that mail may be sent to. Raises BadInput, Refused("FORBIDDEN_MAIL_PROVIDER")."""
    address = names.address(text)
    blocked = frozenset(env.settings.blocked_mail_domains)
    if is_forbidden(address, blocked, env.settings.allow_disposable_mail):
        raise Refused("FORBIDDEN_MAIL_PROVIDER")
    return address


def claim(tx: Tx, env: Env, occasion: Occasion, subject: str, key: str, refusal: str) -> None:
    """Take the one mail that `key` has now; with `growing_mail_waits`, the next comes later after many wrong codes.

    Raises Refused(refusal) when it was taken already.
    """
    wrong = codes.wrong_tries(tx, CODE_MAILS[occasion].purpose, subject) if env.settings.growing_mail_waits else 0
    throttles.claim_mail(tx, key, refusal, throttles.mail_interval(wrong))


def tell(tx: Tx, env: Env, to: str, language: str | None, template: str, client: Client, **params: str | int) -> None:
    """Queue a notice to a user's address, in the language of their choice."""
    env.outbox.put(tx, notice(env.mails, to, template, client, tx.now, language=language, **params))


def send_code(
    tx: Tx,
    env: Env,
    occasion: Occasion,
    subject: str,
    *,
    user_id: int | None,
    address: str,
    choice: MailChoice,
    client: Client,
) -> None:
    """Keep a new code and queue its mail; without a user the same is written and no mail goes out."""
    code, kind = codes.new_code(), CODE_MAILS[occasion]
    # Of nobody too, so that both take the same time.
    user = users.find(tx, users.NOBODY if user_id is None else user_id)
    codes.put(
        tx,
        env.vault,
        kind.purpose,
        subject,
        code=code,
        address=address,
        user_id=user_id,
        lifetime=kind.lifetime,
    )
    mail = code_mail(
        address,
        kind.template,
        origin=choice.origin,
        language=env.mails.language_for(
            choice.origin, choice.language, user.language if user else None, choice.accept_language
        ),
        client=client,
        now=tx.now,
        code=code,
        lifetime=kind.lifetime,
    )
    env.outbox.put(tx, replace(mail, to_nobody=user_id is None), tx.now + kind.lifetime)
