"""What an administrator does with a user: each act says what it will do, asks why, and calls the flow."""

import re
from typing import ClassVar

import falcon

from doorward.accounts import flows, waits
from doorward.accounts.flows import NameTaken, NoSuchUser, NotInvited
from doorward.core.errors import Refused
from doorward.http.console.page import USERS, ActPage, by, id_in, shown
from doorward.http.console.user import no_user
from doorward.http.pages.fields import Mistyped, text
from doorward.http.pages.page import Redirect, Reply
from doorward.http.pages.reset import ENTER_ADDRESS
from doorward.http.pages.visit import Visit
from doorward.i18n import N_
from doorward.mail.notices import MailChoice
from doorward.sessions.flows import SESSION_ID
from doorward.users.store import User

OWN_ACCOUNT = N_("This is your own account: see to it at your account pages.")
NOT_INVITED = N_("This user has a password by now: the invitation is over.")


class UserAct(ActPage):
    """An act on another user than oneself. `act_name` picks its words in `console/act.html.j2`."""

    act_name: ClassVar[str]
    said: ClassVar[str]

    def does(self, visit: Visit, user: User) -> None:
        """The act itself; raises what its flow does."""
        raise NotImplementedError

    def may(self, user: User) -> bool:
        """Whether there is anything to do; if not, the page leads back to the user's."""
        return True

    def show(self, visit: Visit) -> Reply:
        user = _user(visit)
        if user is None:
            return no_user()
        if visit.problem is None and (user.id == visit.claims.user_id or not self.may(user)):
            return Redirect(f"{USERS}/{user.id}")
        return shown("act", "users", {"act": self.act_name, "at": visit.path, "target": user})

    def act(self, visit: Visit) -> Reply:
        user = _user(visit)
        if user is None:
            return no_user()
        if user.id == visit.claims.user_id:
            raise Mistyped("reason", OWN_ACCOUNT)
        try:
            self.does(visit, user)
        except NoSuchUser:
            return no_user()
        except NotInvited:
            raise Mistyped("reason", NOT_INVITED) from None
        visit.say(self.said)
        return self.after(user)

    def after(self, user: User) -> Redirect:
        return Redirect(f"{USERS}/{user.id}")


class Disable(UserAct):
    act_name, said = "disable", "user-disabled"

    def does(self, visit: Visit, user: User) -> None:
        flows.disable(visit.env, user.id, by(visit))

    def may(self, user: User) -> bool:
        return user.disabled_at is None


class Enable(UserAct):
    act_name, said = "enable", "user-enabled"

    def does(self, visit: Visit, user: User) -> None:
        flows.enable(visit.env, user.id, by(visit))

    def may(self, user: User) -> bool:
        return user.disabled_at is not None


class Delete(UserAct):
    act_name, said = "delete", "user-deleted"

    def does(self, visit: Visit, user: User) -> None:
        flows.delete(visit.env, user.id, by(visit))


class EndSessions(UserAct):
    act_name, said = "end-sessions", "user-sessions-ended"

    def does(self, visit: Visit, user: User) -> None:
        flows.end_sessions(visit.env, user.id, by(visit))


class EndSession(UserAct):
    """One of them; one that had ended meanwhile stays so."""

    act_name, said = "end-session", "session-ended"

    def does(self, visit: Visit, user: User) -> None:
        if not re.fullmatch(SESSION_ID, visit.place["session_id"]):
            raise falcon.HTTPNotFound
        flows.end_session(visit.env, user.id, visit.place["session_id"], by(visit))


class ResetFactors(UserAct):
    act_name, said = "reset-factors", "user-factors-reset"

    def does(self, visit: Visit, user: User) -> None:
        flows.reset_2fa(visit.env, user.id, by(visit))


class EndWaits(UserAct):
    """Those of this account alone; of a network that others share, none."""

    act_name, said = "end-waits", "user-waits-ended"

    def does(self, visit: Visit, user: User) -> None:
        waits.end_waits(visit.env, user.id, by(visit))


class SetAddress(UserAct):
    """Another address, of which the flow says whether it is good."""

    act_name, said = "set-address", "user-address-set"
    fields: ClassVar = {
        "Invalid email address": "email",
        "FORBIDDEN_MAIL_PROVIDER": "email",
        "NEW_EMAIL_ALREADY_IN_USE": "email",
    }

    def does(self, visit: Visit, user: User) -> None:
        address = text(visit, "email", ENTER_ADDRESS)
        try:
            flows.set_address(visit.env, user.id, address, by(visit))
        except NameTaken:
            raise Refused("NEW_EMAIL_ALREADY_IN_USE") from None


class InviteAgain(UserAct):
    """Nothing that a fresh second factor is asked for: it mails the user a code, as they can ask for themselves."""

    act_name, said = "invite-again", "user-invited"
    needs = "session"

    def does(self, visit: Visit, user: User) -> None:
        flows.invite_again(visit.env, user.id, MailChoice(None, user.language), by(visit))

    def may(self, user: User) -> bool:
        return user.password_hash is None


class Withdraw(UserAct):
    act_name, said = "withdraw-invitation", "user-deleted"

    def does(self, visit: Visit, user: User) -> None:
        flows.withdraw_invitation(visit.env, user.id, by(visit))

    def may(self, user: User) -> bool:
        return user.password_hash is None


def _user(visit: Visit) -> User | None:
    user_id = id_in(visit, "user_id")
    try:
        with visit.env.db.read() as tx:
            return flows.get(tx, user_id)
    except NoSuchUser:
        return None
