"""Who may use the console: a role of users, given and taken on the command line, and read at each request."""

import re
from dataclasses import dataclass

import sqlalchemy as sa

from doorward import audit
from doorward.accounts.flows import Who, get
from doorward.audit import BY_COMMAND, By
from doorward.core.client import Client
from doorward.core.db import Tx
from doorward.core.tables import administrators as table
from doorward.core.tables import users
from doorward.env import Env
from doorward.factors import store as factors
from doorward.users.store import COLUMNS, User, made

ACTOR = "user {}"
"""What events call an administrator. No key has a name with a blank in it."""
ID_OF_ACTOR = re.compile(ACTOR.format("([0-9]{1,18})"))
IS_ONE = sa.select(table.c.user_id).where(table.c.user_id == sa.bindparam("user_id"))
MOST_LISTED = 1_000


@dataclass(frozen=True)
class Administrator:
    """A user with the role, since when (milliseconds), and whether a second factor lets them use it."""

    user: User
    granted_at: int
    has_factor: bool


def grant(env: Env, who: Who, by: By = BY_COMMAND) -> bool:
    """Give the user the role; False when they had it. Raises NoSuchUser."""
    with env.db.write() as tx:
        user = get(tx, who)
        row = {"user_id": user.id, "granted_at": tx.now}
        granted = tx.changed(tx.insert(table).values(row).on_conflict_do_nothing())
        if granted:
            audit.record(tx, "administrator.granted", user_id=user.id, by=by)
    return granted


def revoke(env: Env, who: Who, by: By = BY_COMMAND) -> bool:
    """Take the role off the user; False when they had none. It holds in their next request. Raises NoSuchUser."""
    with env.db.write() as tx:
        user = get(tx, who)
        revoked = tx.changed(sa.delete(table).where(table.c.user_id == user.id))
        if revoked:
            audit.record(tx, "administrator.revoked", user_id=user.id, by=by)
    return revoked


def is_one(tx: Tx, user_id: int) -> bool:
    """Whether the user has the role now."""
    return tx.row(IS_ONE, {"user_id": user_id}) is not None


def everyone(env: Env) -> list[Administrator]:
    """Who has the role, by id; a thousand at most."""
    wanted = sa.select(table.c.granted_at, *COLUMNS).join(users, users.c.id == table.c.user_id)
    with env.db.read() as tx:
        rows = tx.execute(wanted.order_by(table.c.user_id).limit(MOST_LISTED)).all()
        return [Administrator(made(row), row.granted_at, factors.has_active(tx, row.id)) for row in rows]


def acting(user_id: int, reason: str, client: Client) -> By:
    """An administrator of the console, as events name one."""
    return By(ACTOR.format(user_id), reason, client.address)


def id_of(actor: str | None) -> int | None:
    """The id of an event's actor; None where that is no administrator of the console."""
    found = ID_OF_ACTOR.fullmatch(actor or "")
    return None if found is None else int(found[1])
