"""SQL of sealed events: which come next, and what is erased of them."""

from typing import Any

import sqlalchemy as sa

from doorward.core.db import Database
from doorward.core.tables import events as table
from doorward.core.tables import users


def sealed_after(limit: int) -> sa.Select[Any]:
    """The sealed events behind the place `after`, in the order of the chain."""
    return sa.select(table).where(table.c.seq > sa.bindparam("after")).order_by(table.c.seq).limit(limit)


def erase(db: Database, user_id: int) -> int | None:
    """Erase the client addresses of a deleted user's events; gives how many, None while there is such a user."""
    theirs = sa.and_(table.c.user_id == user_id, table.c.client_address.is_not(None))
    with db.write() as tx:
        if tx.row(sa.select(users.c.id).where(users.c.id == user_id)) is not None:
            return None
        # Without the salt the digest, which stays in the chain, tells nothing of the address.
        return tx.execute(sa.update(table).where(theirs).values(client_address=None, client_salt=None)).rowcount
