"""SQL of users."""

from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from doorward.core.db import Reader, Tx
from doorward.core.statements import Statement
from doorward.core.tables import identifiers, mailed_codes, users
from doorward.users.names import key

NOBODY = 0
"""No user's id. What is asked of an account is asked of nobody too, so that both take the same time."""


@dataclass(frozen=True)
class User:
    """A user as stored. `disabled_at` and `created_at` are in milliseconds."""

    id: int
    username: str
    email: str
    password_hash: str | None
    credentials_version: int
    disabled_at: int | None
    created_at: int
    language: str | None


COLUMNS: tuple[Any, ...] = tuple(users.c[name] for name in User.__dataclass_fields__)
NAMED = Statement(
    sa.select(*COLUMNS)
    .join(identifiers, identifiers.c.user_id == users.c.id)
    .where(identifiers.c.key == sa.bindparam("name"))
)
BY_ID = sa.select(*COLUMNS).where(users.c.id == sa.bindparam("user_id"))
# Not the key itself: a row elsewhere that refers to the user may be added meanwhile.
FOUND = {
    None: Statement(BY_ID),
    "share": Statement(BY_ID.with_for_update(read=True)),
    "update": Statement(BY_ID.with_for_update(key_share=True)),
}


def find_by_name(reader: Reader, name: str) -> User | None:
    """The user with this username or address."""
    return _user(reader.first(NAMED, {"name": key(name)}))


def find_by_email(tx: Tx, email: str) -> User | None:
    """The user with this address."""
    user = find_by_name(tx, email)
    return user if user is not None and key(user.email) == key(email) else None


def find(tx: Tx, user_id: int, *, lock: Literal["share", "update"] | None = None) -> User | None:
    """The user with this id.

    `lock` keeps other transactions from changing them until the end of this one: "update" for one that will itself.
    Every transaction that locks a user and then counts password guesses does it in this order.
    """
    return _user(tx.first(FOUND[lock], {"user_id": user_id}))


def add(tx: Tx, username: str, email: str, password_hash: str | None) -> int | None:
    """Add a user and give the id; None when the username or the address is somebody's already."""
    statement = sa.insert(users).values(username=username, email=email, password_hash=password_hash, created_at=tx.now)
    user_id = int(tx.execute(statement.returning(users.c.id)).scalar_one())
    return user_id if _claim_names(tx, user_id, username, email) else None


def set_email(tx: Tx, user: User, email: str) -> bool:
    """Change the address, and the username with it where that is the address. False when it is another user's."""
    username = email if key(user.username) == key(user.email) else user.username
    tx.execute(sa.delete(identifiers).where(identifiers.c.user_id == user.id))
    tx.execute(sa.update(users).where(users.c.id == user.id).values(email=email, username=username))
    return _claim_names(tx, user.id, username, email)


def set_password(tx: Tx, user: User, password_hash: str) -> bool:
    """Change the password, unless it was changed since `user` was read."""
    same = sa.and_(users.c.id == user.id, users.c.credentials_version == user.credentials_version)
    new = {"password_hash": password_hash, "credentials_version": users.c.credentials_version + 1}
    return tx.changed(sa.update(users).where(same).values(new))


def replace_hash(tx: Tx, user: User, password_hash: str) -> None:
    """Store the same password under another hash, unless it was changed since `user` was read."""
    same = sa.and_(users.c.id == user.id, users.c.credentials_version == user.credentials_version)
    tx.execute(sa.update(users).where(same).values(password_hash=password_hash))


def set_language(tx: Tx, user_id: int, language: str | None) -> None:
    """Note the language that the user has chosen, two letters; None: no choice."""
    tx.execute(sa.update(users).where(users.c.id == user_id).values(language=language))


def set_disabled(tx: Tx, user_id: int, *, disabled: bool) -> bool:
    """Let nobody log in, or let the user again; False when it was so already.

    A login under way when they were disabled can't be finished later.
    """
    other = users.c.disabled_at.is_(None) if disabled else users.c.disabled_at.is_not(None)
    values = {
        "disabled_at": tx.now if disabled else None,
        "credentials_version": users.c.credentials_version + int(disabled),
    }
    return tx.changed(sa.update(users).where(users.c.id == user_id, other).values(values))


def delete(tx: Tx, user_id: int) -> bool:
    """Delete the user and all that belongs to them; False when somebody else did."""
    tx.execute(sa.delete(mailed_codes).where(mailed_codes.c.user_id == user_id))
    return tx.changed(sa.delete(users).where(users.c.id == user_id))


def page(tx: Tx, after_id: int, limit: int) -> list[User]:
    """The next users in order of their ids."""
    rows = tx.execute(sa.select(*COLUMNS).where(users.c.id > after_id).order_by(users.c.id).limit(limit))
    return [made(row) for row in rows]


def made(row: sa.Row[Any]) -> User:
    """The user of a row that has all `COLUMNS`, whatever else it has."""
    return User(**{name: row._mapping[name] for name in User.__dataclass_fields__})


def _claim_names(tx: Tx, user_id: int, username: str, email: str) -> bool:
    for name in sorted({key(username), key(email)}):
        claim = tx.insert(identifiers).values(key=name, user_id=user_id).on_conflict_do_nothing()
        if not tx.changed(claim):
            return False
    return True


def _user(row: tuple[Any, ...] | None) -> User | None:
    return None if row is None else User(*row)
