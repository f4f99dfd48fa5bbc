"""Recovery codes: how many are left, new ones, and the page that shows them once."""

from doorward.factors import recovery
from doorward.factors.overview import overview
from doorward.http.pages.looks import grouped
from doorward.http.pages.page import File, Html, Page, Redirect, Reply, to
from doorward.http.pages.visit import Visit

CODES = "/account/recovery-codes"
NEW = "/account/recovery-codes/new"
KIND = "recovery-codes"


class RecoveryCodes(Page):
    """How many are left; makes new ones, which end the old ones."""

    needs = "step-up"

    def show(self, visit: Visit) -> Reply:
        return Html("recovery_codes", {"factors": overview(visit.env, visit.claims)})

    def act(self, visit: Visit) -> Reply:
        return shown_once(visit, recovery.replace(visit.env, visit.claims, visit.client))


class NewCodes(Page):
    """Shows the codes until the person says that they are saved, half an hour at most."""

    def show(self, visit: Visit) -> Reply:
        codes = _codes(visit)
        return Html("new_codes", {"codes": codes}) if codes else Redirect(CODES)

    def act(self, visit: Visit) -> Reply:
        visit.forget()
        visit.say("codes-saved")
        return Redirect(visit.next)


class Download(Page):
    """The same codes as a text file."""

    def show(self, visit: Visit) -> Reply:
        codes = _codes(visit)
        if not codes:
            return Redirect(CODES)
        words = visit.words
        head = words.gettext("Recovery codes for {name}, each good for one sign-in").replace("{name}", visit.brand.name)
        lines = [head, visit.user.email if visit.user else "", "", *map(grouped, codes), ""]
        return File(f"{visit.brand.name} recovery codes.txt", "\r\n".join(lines).encode())


def shown_once(visit: Visit, codes: list[str]) -> Redirect:
    """On to the page that shows new codes; where there are none, to where the person was going."""
    if not codes:
        return Redirect(visit.next)
    visit.keep(KIND, codes=codes, sid=visit.claims.sid)
    return to(NEW, next=visit.next)


def _codes(visit: Visit) -> list[str]:
    kept = visit.kept(KIND)
    return list(kept["codes"]) if kept.get("sid") == visit.claims.sid else []
