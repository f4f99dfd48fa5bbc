"""The outbox: which mails wait or were given up, and why; and one of them once more."""

from doorward.administration import mails
from doorward.core.errors import Refused
from doorward.http.console.page import ActPage, ConsolePage, by, id_in, shown
from doorward.http.pages.fields import Mistyped
from doorward.http.pages.page import Redirect, Reply
from doorward.http.pages.visit import Visit
from doorward.http.paging import cut
from doorward.i18n import N_

MAILS = "/admin/mails"
SHOWN = 25
REFUSALS = {
    "MAIL_NOT_FOUND": N_("This mail is in the outbox no more: it was sent, or is forgotten."),
    "MAIL_EXPIRED": N_("What this mail carries is over: its user has to ask for a new one."),
    "MAIL_IN_PROGRESS": N_("This mail is being sent just now."),
}


class Mails(ConsolePage):
    """Those that were given up, or with `?state=waiting` those that wait; `?after=` pages on."""

    def show(self, visit: Visit) -> Reply:
        failed = visit.query.get("state") != "waiting"
        after = visit.id_asked("after") or 0
        rows, more = cut(mails.page(visit.env, SHOWN + 1, after, failed=failed), SHOWN, lambda state: state.kept.id)
        return shown("mails", "mails", {"rows": rows, "failed": failed, "more": more, "is_first": not after})


class SendAgain(ActPage):
    """Lets the worker try it at once."""

    needs = "session"

    def show(self, visit: Visit) -> Reply:
        state = mails.find(visit.env, id_in(visit, "mail_id"))
        if state is None and visit.problem is None:
            return Redirect(MAILS)
        return shown("send_again", "mails", {"state": state, "at": visit.path})

    def act(self, visit: Visit) -> Reply:
        try:
            mails.send_again(visit.env, id_in(visit, "mail_id"), by(visit))
        except Refused as refused:
            if refused.code not in REFUSALS:
                raise
            raise Mistyped("reason", REFUSALS[refused.code]) from None
        visit.say("mail-sent-again")
        return Redirect(MAILS)
