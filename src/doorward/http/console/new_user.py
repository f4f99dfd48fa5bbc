"""Somebody new: added without a word, or invited by a mail. Both are what the API and the command line do."""

from typing import ClassVar

from doorward.accounts import flows
from doorward.accounts.flows import NameTaken
from doorward.audit import By
from doorward.core.errors import Refused
from doorward.http.console.page import USERS, ActPage, by, shown
from doorward.http.pages.fields import Mistyped, text
from doorward.http.pages.page import Redirect, Reply
from doorward.http.pages.reset import ENTER_ADDRESS
from doorward.http.pages.visit import Visit
from doorward.i18n import N_
from doorward.mail.notices import MailChoice
from doorward.users import names

NAME_TAKEN = N_("Another account has this username. Choose another one.")


class NewUser(ActPage):
    """An address, a username if it is to be another one, and why. `act_name` picks the words of the template."""

    act_name: ClassVar[str]
    said: ClassVar[str]
    fields: ClassVar = {
        names.INVALID_ADDRESS: "email",
        names.INVALID_USERNAME: "username",
        "FORBIDDEN_MAIL_PROVIDER": "email",
        "NEW_EMAIL_ALREADY_IN_USE": "email",
    }

    def add(self, visit: Visit, email: str, username: str | None, by: By) -> int:
        """Add the user and give the id; raises what the flow does."""
        raise NotImplementedError

    def show(self, visit: Visit) -> Reply:
        chosen = visit.typed("language") or visit.env.mails.brands.default.language
        return shown("new_user", "users", {"act": self.act_name, "at": visit.path, "chosen": chosen})

    def act(self, visit: Visit) -> Reply:
        email = text(visit, "email", ENTER_ADDRESS)
        username = visit.typed("username").strip() or None
        try:
            user_id = self.add(visit, email, username, by(visit))
        except NameTaken as taken:
            if username is not None and str(taken) == names.username(username):
                raise Mistyped("username", NAME_TAKEN) from None
            raise Refused("NEW_EMAIL_ALREADY_IN_USE") from None
        visit.say(self.said)
        return Redirect(f"{USERS}/{user_id}")


class Create(NewUser):
    """Without a password, which is no administrator's to know: its user chooses one as if it were forgotten."""

    act_name, said = "create", "user-created"

    def add(self, visit: Visit, email: str, username: str | None, by: By) -> int:
        return flows.create(visit.env, email, username=username, by=by)


class Invite(NewUser):
    """In a language of theirs; the mail has a code for a first password."""

    act_name, said = "invite", "user-created-invited"

    def add(self, visit: Visit, email: str, username: str | None, by: By) -> int:
        choice = MailChoice(None, visit.typed("language"))
        return flows.invite(visit.env, email, choice, username=username, by=by)
