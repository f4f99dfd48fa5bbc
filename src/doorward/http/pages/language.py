"""The language of the pages."""

import msgspec

from doorward.http.pages.page import Html, Page, Redirect, Reply
from doorward.http.pages.visit import Visit
from doorward.i18n import find
from doorward.users import store as users


class Language(Page):
    """All that there are, each in its own words. Who is signed in gets their notices in it, too."""

    needs = "nobody"

    def show(self, visit: Visit) -> Reply:
        return Html("language")

    def act(self, visit: Visit) -> Reply:
        language = find(visit.typed("language"))
        visit.wish(msgspec.structs.replace(visit.wishes, language=language))
        if visit.user is not None:
            with visit.env.db.write() as tx:
                users.set_language(tx, visit.user.id, language)
        return Redirect(visit.next)
