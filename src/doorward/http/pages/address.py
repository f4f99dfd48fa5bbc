"""Move the account to another address."""

from typing import ClassVar

from doorward.core.clock import SECOND
from doorward.core.errors import BadInput, Refused
from doorward.http.pages.fields import Mistyped, expired_or, six_digits, text
from doorward.http.pages.page import Html, Page, Redirect, Reply
from doorward.http.pages.visit import HOME, Visit
from doorward.i18n import N_
from doorward.throttles import MAIL_INTERVAL
from doorward.transfers import flows as transfers
from doorward.users import names

ADDRESS = "/account/email"
CODE = "/account/email/code"
KIND = "address"
ENTER_NEW = N_("Enter the new address.")
SAME_ADDRESS = N_("This is your address already. Enter the new one.")


class Address(Page):
    """Mails a code to the new address."""

    needs = "step-up"
    field = "email"

    def show(self, visit: Visit) -> Reply:
        kept = visit.kept(KIND)
        email = visit.typed("email") or kept.get("email", "")
        # The page of the code knows what this browser asked for, and no more.
        sent_to = transfers.find_pending_address(visit.env, visit.claims) if kept else None
        return Html("address", {"email": email, "sent_to": sent_to, "code_at": CODE})

    def act(self, visit: Visit) -> Reply:
        email = text(visit, "email", ENTER_NEW)
        present = visit.user.email if visit.user is not None else ""
        if names.key(email) == names.key(present):
            raise Mistyped("email", SAME_ADDRESS)
        if _lacks_dot(email) and not _lacks_dot(present):
            raise BadInput(names.INVALID_ADDRESS)
        return _send(visit, email)


class Code(Page):
    """Takes the code; the account then has the new address."""

    field = "code"
    fields: ClassVar = {"TOO_MANY_TRANSFER_ATTEMPTS": "send", "UNABLE_TO_FIND_MAIL_TEMPLATE": "send"}

    def show(self, visit: Visit) -> Reply:
        kept = visit.kept(KIND)
        if not kept:
            return Redirect(ADDRESS)
        wait = max(0, kept["sent_at"] + MAIL_INTERVAL - visit.env.clock.now_ms())
        return Html("mailed_code", {"what": "address", "address": kept["email"], "mail_wait": -(-wait // SECOND),
                                    "at": CODE, "back": ADDRESS})  # fmt: skip

    def act(self, visit: Visit) -> Reply:
        try:
            transfers.complete(visit.env, visit.claims, six_digits(visit), visit.client)
        except Refused as refused:
            raise expired_or(refused, visit, visit.kept(KIND).get("sent_at")) from None
        visit.say("address-changed", visit.kept(KIND).get("email", ""))
        visit.forget()
        return Redirect(HOME)


class SendAgain(Code):
    """Mails another code."""

    needs = "step-up"

    def act(self, visit: Visit) -> Reply:
        kept = visit.kept(KIND)
        if not kept:
            return Redirect(ADDRESS)
        visit.say("code-sent-again")
        return _send(visit, kept["email"])


def _lacks_dot(email: str) -> bool:
    """Whether the domain has no dot in it: in a network of one's own that may be, else something was left out."""
    return "." not in email.rpartition("@")[2]


def _send(visit: Visit, email: str) -> Reply:
    transfers.initiate(visit.env, visit.claims, email, visit.mail_choice, visit.client)
    visit.keep(KIND, email=email.strip(), sent_at=visit.env.clock.now_ms())
    return Redirect(CODE)
