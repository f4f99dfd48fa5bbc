"""The language of the pages."""

import msgspec

from doorward.http.pages.page import Html, Page, Redirect, Reply
from doorward.http.pages.visit import Visit
from doorward.i18n import find


class Language(Page):
    """All that there are, each in its own words."""

    needs = "nobody"

    def show(self, visit: Visit) -> Reply:
        return Html("language")

    def act(self, visit: Visit) -> Reply:
        visit.wish(msgspec.structs.replace(visit.wishes, language=find(visit.typed("language"))))
        return Redirect(visit.next)
