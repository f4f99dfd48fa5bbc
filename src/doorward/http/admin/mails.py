"""The outbox: what waits, what was given up and why."""

from typing import Literal

import msgspec

from doorward.administration import mails, shown
from doorward.http.admin.operations import Act, Call, Operation, Paging, number
from doorward.http.paging import cut


class FindMails(Paging, forbid_unknown_fields=True):
    """Those that wait, or those of the last week that were given up."""

    state: Literal["waiting", "failed"] = "waiting"


class MailPage(msgspec.Struct):
    """Some mails, oldest first. `next` is the cursor of the next page; null: there is none."""

    items: list[shown.Mail]
    next: str | None


def _find(call: Call) -> MailPage:
    query = call.query
    found = mails.page(call.env, query.limit + 1, number(query.cursor) or 0, failed=query.state == "failed")
    page, more = cut(found, query.limit, lambda state: str(state.kept.id))
    return MailPage([shown.mail(state) for state in page], more)


def _send_again(call: Call) -> None:
    mails.send_again(call.env, int(call.place["mailId"]), call.by)


OPERATIONS = (
    Operation("findMails", "GET", "/mails", "Which mails wait, or failed", "mails:read", _find, MailPage, FindMails),
    Operation(
        "sendAgain", "POST", "/mails/{mailId}/send-again", "Try a mail at once", "mails:write", _send_again, body=Act,
        refusals=("MAIL_NOT_FOUND", "MAIL_EXPIRED", "MAIL_IN_PROGRESS"),
    ),
)  # fmt: skip
