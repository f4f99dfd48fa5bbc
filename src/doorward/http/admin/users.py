"""Users: find them, and what can be done with one."""

from http import HTTPStatus
from typing import Annotated, Any

import msgspec

from doorward.accounts import flows, search, waits
from doorward.accounts.view import view
from doorward.administration import shown
from doorward.core.errors import Refused
from doorward.http.admin.operations import Act, Call, Operation, Paging, bad_cursor, number
from doorward.http.paging import cut
from doorward.mail.notices import MailChoice
from doorward.sessions import store as sessions
from doorward.users import names
from doorward.users import store as users

LANGUAGE_LENGTH = 2

Origin = Annotated[str, msgspec.Meta(max_length=256, description="The mail's brand.")]
Language = Annotated[
    str, msgspec.Meta(min_length=LANGUAGE_LENGTH, max_length=LANGUAGE_LENGTH, description="The mail's language.")
]
Prefix = Annotated[
    str,
    msgspec.Meta(
        min_length=1, max_length=names.LONGEST, description="How the username or the address begins, in any case."
    ),
]


class FindUsers(Paging, forbid_unknown_fields=True):
    """By the beginning of a name, in order of names; without one, all in order of ids."""

    prefix: Prefix | None = None


class NewUser(Act, forbid_unknown_fields=True):
    """A user to add; without a password they set one by a reset."""

    email: str
    username: str | None = None
    password: str | None = None


class Invitation(Act, forbid_unknown_fields=True):
    """A user to add, who is mailed a code to set a password."""

    email: str
    username: str | None = None
    origin: Origin | None = None
    language: Language | None = None


class InvitationAgain(Act, forbid_unknown_fields=True):
    """A new code for a user who was invited."""

    origin: Origin | None = None
    language: Language | None = None


class NewAddress(Act, forbid_unknown_fields=True):
    """Another address for a user."""

    email: str


class UserPage(msgspec.Struct):
    """Some users. `next` is the cursor of the next page; null: there is none."""

    items: list[shown.User]
    next: str | None


class SessionList(msgspec.Struct):
    """The sessions of a user that live, the one used last first."""

    items: list[shown.Session]


class EndedSessions(msgspec.Struct):
    """How many sessions lived until now."""

    ended: int


class RemovedFactors(msgspec.Struct):
    """Which factors were active until now."""

    removed: list[str]


def _find(call: Call) -> UserPage:
    query = call.query
    if query.prefix is None:
        with call.env.db.read() as tx:
            found = users.page(tx, number(query.cursor) or 0, query.limit + 1)
        page, more = cut(found, query.limit, lambda user: str(user.id))
    else:
        named = search.by_prefix(call.env.db.reads(), query.prefix, query.limit + 1, _name(query.cursor))
        names_and_users, more = cut(named, query.limit, lambda each: search.cursor_of(each[0]))
        page = [user for _, user in names_and_users]
    return UserPage([shown.user(user) for user in page], more)


def _show(call: Call) -> shown.Account:
    return shown.account(view(call.env, call.user_id))


def _create(call: Call) -> shown.User:
    body = call.body
    user_id = flows.create(call.env, body.email, username=body.username, password=body.password, by=call.by)
    return _present(call, user_id)


def _invite(call: Call) -> shown.User:
    body = call.body
    choice = MailChoice(body.origin, body.language)
    return _present(call, flows.invite(call.env, body.email, choice, username=body.username, by=call.by))


def _invite_again(call: Call) -> None:
    flows.invite_again(call.env, call.user_id, MailChoice(call.body.origin, call.body.language), call.by)


def _withdraw(call: Call) -> None:
    flows.withdraw_invitation(call.env, call.user_id, call.by)


def _disable(call: Call) -> shown.User:
    flows.disable(call.env, call.user_id, call.by)
    return _present(call, call.user_id)


def _enable(call: Call) -> shown.User:
    flows.enable(call.env, call.user_id, call.by)
    return _present(call, call.user_id)


def _delete(call: Call) -> None:
    flows.delete(call.env, call.user_id, call.by)


def _sessions(call: Call) -> SessionList:
    with call.env.db.read() as tx:
        flows.get(tx, call.user_id)
        return SessionList([shown.session(seen) for seen in sessions.living(tx, call.user_id, call.env.settings)])


def _end_sessions(call: Call) -> EndedSessions:
    return EndedSessions(flows.end_sessions(call.env, call.user_id, call.by))


def _end_session(call: Call) -> None:
    if not flows.end_session(call.env, call.user_id, call.place["sessionId"], call.by):
        raise Refused("SESSION_NOT_FOUND")


def _reset_factors(call: Call) -> RemovedFactors:
    return RemovedFactors(flows.reset_2fa(call.env, call.user_id, call.by))


def _end_waits(call: Call) -> shown.EndedWaits:
    return shown.EndedWaits(list(waits.end_waits(call.env, call.user_id, call.by)))


def _set_address(call: Call) -> shown.User:
    flows.set_address(call.env, call.user_id, call.body.email, call.by)
    return _present(call, call.user_id)


def _present(call: Call, user_id: int) -> shown.User:
    with call.env.db.read() as tx:
        return shown.user(flows.get(tx, user_id))


def _name(cursor: str | None) -> str:
    """The name that a cursor stands for. Raises BadInput."""
    if cursor is None:
        return ""
    name = search.name_of(cursor)
    if name is None:
        raise bad_cursor()
    return name


def _on_user(act: str, path: str, summary: str, does: Any, **more: Any) -> Operation:
    given: dict[str, Any] = {"scope": "users:write", "body": Act, "refusals": ()} | more
    given["refusals"] = ("USER_NOT_FOUND", *given["refusals"])
    return Operation(act, "POST", f"/users/{{userId}}/{path}", summary, given.pop("scope"), does, **given)


NEW = ("NAME_ALREADY_IN_USE",)
INVITED = (*NEW, "FORBIDDEN_MAIL_PROVIDER")
OPERATIONS = (
    Operation("findUsers", "GET", "/users", "Find users", "users:read", _find, UserPage, FindUsers),
    Operation(
        "showUser", "GET", "/users/{userId}", "All about a user but the secrets", "users:read", _show,
        shown.Account, refusals=("USER_NOT_FOUND",),
    ),
    Operation(
        "createUser", "POST", "/users", "Add a user", "users:write", _create,
        shown.User, body=NewUser, status=HTTPStatus.CREATED, refusals=NEW,
    ),
    Operation(
        "inviteUser", "POST", "/users/invite", "Add a user and mail them a code to set a password", "users:write",
        _invite, shown.User, body=Invitation, status=HTTPStatus.CREATED, refusals=INVITED,
    ),
    _on_user(
        "inviteAgain", "invite-again", "Mail a new code to a user without a password", _invite_again,
        body=InvitationAgain, refusals=("INVITATION_OVER",),
    ),
    _on_user(
        "withdrawInvitation", "withdraw-invitation", "Void an invitation and delete the unused account", _withdraw,
        refusals=("INVITATION_OVER",),
    ),
    _on_user("disableUser", "disable", "End all sessions and let the user log in no more", _disable, gives=shown.User),
    _on_user("enableUser", "enable", "Let a disabled user log in again", _enable, gives=shown.User),
    _on_user(
        "deleteUser", "delete", "Delete a user and all that is theirs; events stay", _delete, scope="users:delete"
    ),
    Operation(
        "userSessions", "GET", "/users/{userId}/sessions", "The sessions of a user that live", "users:read",
        _sessions, SessionList, refusals=("USER_NOT_FOUND",),
    ),
    _on_user("endSessions", "sessions/end", "End all sessions of a user", _end_sessions, gives=EndedSessions),
    _on_user(
        "endSession", "sessions/{sessionId}/end", "End one session of a user", _end_session,
        refusals=("SESSION_NOT_FOUND",),
    ),
    _on_user(
        "resetFactors", "reset-factors", "Take every second factor off a user, who is told by mail", _reset_factors,
        gives=RemovedFactors, scope="credentials:write",
    ),
    # Of this scope, since a program could guess on for ever: one guess, end the wait, one guess.
    _on_user(
        "endWaits", "end-waits", "Allow one more guess at once where an account waits after wrong ones", _end_waits,
        gives=shown.EndedWaits, scope="credentials:write",
    ),
    _on_user(
        "setAddress", "set-address", "Give a user another address; the old one is told by mail", _set_address,
        gives=shown.User, body=NewAddress, scope="credentials:write", refusals=INVITED,
    ),
)  # fmt: skip
