"""What PostgreSQL's error codes (SQLSTATE) tell: https://www.postgresql.org/docs/current/errcodes-appendix.html.

An error that came from elsewhere, such as a connection's end, has no code.
"""

READ_ONLY = "25006"
# What was prepared on the connection is gone, somebody else's, or void since a migration changed a column's type.
# PostgreSQL tells the last at each use, for as long as the connection lives.
PREPARED_IN_VAIN = ("26000", "42P05", "0A000")
# Of those that psycopg does not count among the operational ones; the last is a class, the server's own faults.
PASSING = (READ_ONLY, "25P03", "25P04", *PREPARED_IN_VAIN, "XX")
NOT_LOCKED = ("55P03", "40P01")
FORBIDDEN = "42501"
# The server takes no writes any more, says nothing at all, or can't use what a connection prepared there.
LOST = (READ_ONLY, "08006", *PREPARED_IN_VAIN)
# The server ended the connection, or can't use what was prepared on it. Of a pooler's own words nothing more is to be
# learned than that they are its own: PgBouncer gives them all one code, 08P01.
STALE = ("57P", *PREPARED_IN_VAIN, "08P01")


def is_passing(error: BaseException) -> bool:
    """Whether the code names a state of the database, not a fault of the statement."""
    return _of(error).startswith(PASSING)


def locked_out(error: BaseException | None) -> bool:
    """Whether a lock was waited for in vain, or in a circle."""
    return _of(error) in NOT_LOCKED


def is_forbidden(error: BaseException | None) -> bool:
    """Whether the role lacks the right to do it."""
    return _of(error) == FORBIDDEN


def connections_are_lost(error: BaseException) -> bool:
    """Whether connections made anew may do better: the database may live elsewhere now."""
    return _of(error) in LOST


def is_stale(error: BaseException) -> bool:
    """Whether the connection was at fault, by its end or by what the server told, so that another may do."""
    return not _of(error) or _of(error).startswith(STALE)


def _of(error: BaseException | None) -> str:
    return getattr(error, "sqlstate", None) or ""
