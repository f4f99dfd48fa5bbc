"""SQL of sessions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from doorward.core.client import Client, place
from doorward.core.clock import DAY, SECOND
from doorward.core.db import Reader, Tx
from doorward.core.statements import Statement, insert_into
from doorward.core.tables import known_addresses, sessions, users
from doorward.settings import Settings

LONGEST_USER_AGENT = 256
KNOWN_ADDRESS_KEPT = 180 * DAY
KNOWN = Statement(
    sa.select(known_addresses.c.user_id).where(
        known_addresses.c.user_id == sa.bindparam("user_id"),
        known_addresses.c.client_address == sa.bindparam("client_address"),
    )
)

STATE = Statement(
    sa.select(
        sessions.c.ended_at,
        sessions.c.expires_at,
        sessions.c.created_at,
        sessions.c.last_used_at,
        sessions.c.refresh_jti,
        sessions.c.previous_jti,
        sessions.c.rotated_at,
    ).where(sessions.c.id == sa.bindparam("session_id"), sessions.c.user_id == sa.bindparam("user_id"))
)
"""What a token of the session hangs on."""
OPEN_LOGIN = Statement(
    sa.select(users.c.id).where(
        users.c.id == sa.bindparam("user_id"),
        users.c.credentials_version == sa.bindparam("version"),
        users.c.disabled_at.is_(None),
        ~sa.exists().where(sessions.c.id == sa.bindparam("session_id")),
    )
)
"""The user whose login wants its second step: whom nobody has disabled, whose password is the one that was given, and
whose session has not begun."""
ADDRESSES = sa.select(known_addresses.c.client_address).where(known_addresses.c.user_id == sa.bindparam("user_id"))


@dataclass(frozen=True)
class Seen:
    """A session as its user is told of it. Times are in milliseconds."""

    id: str
    created_at: int
    last_used_at: int
    client_address: str
    user_agent: str


def _begun(dialect: str) -> sa.Executable:
    return insert_into(sessions, dialect).on_conflict_do_nothing().returning(sessions.c.id)


def _logged_in(dialect: str) -> sa.Executable:
    row = insert_into(known_addresses, dialect)
    return row.on_conflict_do_update(
        index_elements=[known_addresses.c.user_id, known_addresses.c.client_address],
        set_={"last_login_at": row.excluded.last_login_at},
        where=known_addresses.c.last_login_at < row.excluded.last_login_at - DAY,
    )


BEGUN = Statement(
    _begun,
    ("id", "user_id", "amr", "auth_time", "created_at", "last_used_at", "expires_at", "client_address", "user_agent",
     "refresh_jti", "refresh_iat"),
)  # fmt: skip
LOGGED_IN = Statement(_logged_in, ("user_id", "client_address", "last_login_at"))
SEEN: tuple[Any, ...] = tuple(sessions.c[name] for name in Seen.__dataclass_fields__)


@dataclass(frozen=True)
class Session:
    """A session that lives. Times are in milliseconds."""

    id: str
    user_id: int
    amr: list[str]
    auth_time: int
    created_at: int
    expires_at: int


def add(tx: Tx, session: Session, client: Client, refresh: tuple[str, int]) -> bool:
    """Begin the session; False when one with this id was begun before. `refresh` is its token's `jti` and `iat`."""
    jti, iat = refresh
    row = {
        "id": session.id,
        "user_id": session.user_id,
        "amr": " ".join(session.amr),
        "auth_time": session.auth_time,
        "created_at": session.created_at,
        "last_used_at": session.created_at,
        "expires_at": session.expires_at,
        "client_address": client.address,
        "user_agent": client.user_agent[:LONGEST_USER_AGENT],
        "refresh_jti": jti,
        "refresh_iat": iat,
    }
    return tx.first(BEGUN, row) is not None


def extend(tx: Tx, session_id: str, expires_at: int) -> bool:
    """Let the session live until then at least; False when it has ended."""
    longer = sa.case((sessions.c.expires_at < expires_at, expires_at), else_=sessions.c.expires_at)
    values = {"expires_at": longer, "last_used_at": tx.now}
    return tx.changed(sa.update(sessions).where(_lives(tx, sessions.c.id == session_id)).values(values))


def rotate(tx: Tx, session_id: str, used_jti: str, new: tuple[str, int], expires_at: int) -> bool:
    """Put a new refresh token in the place of the one used; False when that one is not the session's newest."""
    jti, iat = new
    newest = _lives(tx, sa.and_(sessions.c.id == session_id, sessions.c.refresh_jti == used_jti))
    values = {
        "previous_jti": used_jti,
        "refresh_jti": jti,
        "refresh_iat": iat,
        "rotated_at": tx.now,
        "expires_at": expires_at,
        "last_used_at": tx.now,
    }
    return tx.changed(sa.update(sessions).where(newest).values(values))


def touch(tx: Tx, session_id: str) -> None:
    """Note that the session was used."""
    tx.execute(sa.update(sessions).where(sessions.c.id == session_id).values(last_used_at=tx.now))


def is_stale(tx: Tx, session_id: str, age: int) -> bool:
    """Whether the session's last use was noted longer ago than so many milliseconds."""
    stale = sa.and_(sessions.c.id == session_id, sessions.c.last_used_at <= tx.now - age)
    return tx.row(sa.select(sessions.c.id).where(stale)) is not None


def end(tx: Tx, session_id: str) -> bool:
    """End the session; False when it had ended."""
    return tx.changed(sa.update(sessions).where(_lives(tx, sessions.c.id == session_id)).values(ended_at=tx.now))


def living(tx: Tx, user_id: int, settings: Settings) -> list[Seen]:
    """The user's sessions that live, the one used last first."""
    return [each for each in unended(tx, user_id) if not is_over(settings, each.created_at, each.last_used_at, tx.now)]


def seen(tx: Tx, user_id: int, session_ids: list[str]) -> dict[str, Seen]:
    """The user's sessions among those, by id, ended ones too; what was ended long ago is not there any more."""
    theirs = sa.and_(sessions.c.user_id == user_id, sessions.c.id.in_(session_ids))
    return {row.id: Seen(**row._mapping) for row in tx.execute(sa.select(*SEEN).where(theirs))}


def is_over(settings: Settings, created_at: int, last_used_at: int, now: int) -> bool:
    """Whether a session is older than the settings let one be, or was not used for too long."""
    absolute, idle = settings.session_absolute_limit * SECOND, settings.session_idle_limit * SECOND
    return bool((absolute and created_at + absolute <= now) or (idle and last_used_at + idle <= now))


def unended(tx: Tx, user_id: int) -> list[Seen]:
    """As `living`, with those that are over by a limit: a longer one would let them live again."""
    theirs = sa.select(*SEEN).where(_lives(tx, sessions.c.user_id == user_id)).order_by(sessions.c.last_used_at.desc())
    return [Seen(**row._mapping) for row in tx.execute(theirs)]


def end_of_user(tx: Tx, user_id: int, session_id: str) -> bool:
    """End the session if it is this user's; False when it is not, or had ended."""
    theirs = sa.and_(sessions.c.id == session_id, sessions.c.user_id == user_id)
    return tx.changed(sa.update(sessions).where(_lives(tx, theirs)).values(ended_at=tx.now))


def end_all(tx: Tx, user_id: int, *, keep: str | None = None) -> bool:
    """End all sessions of the user but `keep`; False when all had ended."""
    theirs = sa.and_(sessions.c.user_id == user_id, sessions.c.ended_at.is_(None))
    if keep is not None:
        theirs = sa.and_(theirs, sessions.c.id != keep)
    return tx.changed(sa.update(sessions).where(theirs).values(ended_at=tx.now))


def end_some(tx: Tx, most: int) -> int:
    """End so many of all sessions that live; gives how many there were."""
    living = sa.select(sessions.c.id).where(sessions.c.ended_at.is_(None), sessions.c.expires_at > tx.now).limit(most)
    return tx.execute(sa.update(sessions).where(sessions.c.id.in_(living)).values(ended_at=tx.now)).rowcount


def find_rotation(tx: Tx, session_id: str) -> sa.Row[tuple[str, int, str | None, int | None]] | None:
    """The living session's newest refresh token (`jti`, `iat`), the one before it, and when that was used."""
    wanted = sa.select(
        sessions.c.refresh_jti, sessions.c.refresh_iat, sessions.c.previous_jti, sessions.c.rotated_at
    ).where(_lives(tx, sessions.c.id == session_id))
    return tx.row(wanted)


def know_address(tx: Tx, user_id: int, network: str) -> None:
    """Note that the user has logged in from there (`Client.network`); one write a day does."""
    tx.first(LOGGED_IN, {"user_id": user_id, "client_address": network, "last_login_at": tx.now})


def knows_address(reader: Reader, user_id: int, network: str) -> bool:
    """Whether the user has logged in from there (`Client.network`) before."""
    return reader.first(KNOWN, {"user_id": user_id, "client_address": network}) is not None


def known_networks(tx: Tx, user_id: int, limit: int) -> Sequence[str]:
    """Some of the networks from which the user has logged in before."""
    return tx.execute(ADDRESSES.limit(limit), {"user_id": user_id}).scalars().all()


def is_new_place(tx: Tx, user_id: int, client_address: str) -> bool:
    """Whether the user has logged in before, and never from near there (`place`)."""
    known = tx.execute(ADDRESSES, {"user_id": user_id}).scalars().all()
    return bool(known) and place(client_address) not in {place(address) for address in known}


def _lives(tx: Tx, condition: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    return sa.and_(condition, sessions.c.ended_at.is_(None), sessions.c.expires_at > tx.now)
