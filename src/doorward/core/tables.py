"""The tables. Times are whole milliseconds since 1970-01-01 UTC; a `_hash` is a digest, never the secret itself."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite gives row ids only to a column that is exactly INTEGER PRIMARY KEY.
Id = BigInteger().with_variant(Integer(), "sqlite")


def _user_id(*, primary_key: bool = False, index: bool = False) -> Column[int]:
    return Column(
        "user_id",
        Id,
        ForeignKey("users.id", ondelete="CASCADE"),
        primary_key=primary_key,
        nullable=False,
        index=index,
    )


users = Table(
    "users",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("username", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("password_hash", Text),
    # Rises with each change of password, and when the user is disabled: what was begun before can't be finished.
    Column("credentials_version", Integer, nullable=False, server_default="0"),
    Column("disabled_at", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    # The user's own choice, two letters; empty: as the brand speaks.
    Column("language", Text),
    sqlite_autoincrement=True,
)

identifiers = Table(
    "identifiers",
    metadata,
    # The compared form of a username or an address. One key has one user, whichever of the two it is to them.
    Column("key", Text, primary_key=True),
    _user_id(index=True),
    # For a search by the beginning of a name: PostgreSQL compares by its locale otherwise, SQLite by bytes anyway.
    Index("ix_identifiers_key_bytes", text('key COLLATE "C"')).ddl_if(dialect="postgresql"),
    # A row is little more than its key: kept in the key's tree, and not in a table behind it as well.
    sqlite_with_rowid=False,
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Text, primary_key=True),
    _user_id(index=True),
    Column("amr", Text, nullable=False),
    Column("auth_time", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("last_used_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
    Column("ended_at", BigInteger),
    Column("client_address", Text, nullable=False),
    Column("user_agent", Text, nullable=False),
    # Strict rotation only: the one refresh token that is good, when it was issued, and the one before it.
    Column("refresh_jti", Text),
    Column("refresh_iat", BigInteger),
    Column("previous_jti", Text),
    Column("rotated_at", BigInteger),
)

known_addresses = Table(
    "known_addresses",
    metadata,
    _user_id(primary_key=True),
    Column("client_address", Text, primary_key=True),
    Column("last_login_at", BigInteger, nullable=False, index=True),
)

totp = Table(
    "totp",
    metadata,
    _user_id(primary_key=True),
    Column("secret", LargeBinary),
    Column("completed_at", BigInteger),
    # The newest time step that was accepted: none at or before it is accepted again (RFC 6238 section 5.2).
    Column("last_step", BigInteger),
    Column("pending_secret", LargeBinary),
)

email_otp = Table(
    "email_otp",
    metadata,
    _user_id(primary_key=True),
    Column("email", Text),
    Column("completed_at", BigInteger),
    Column("pending_email", Text),
)

recovery_codes = Table(
    "recovery_codes",
    metadata,
    _user_id(primary_key=True),
    Column("code_hash", LargeBinary, primary_key=True),
    Column("created_at", BigInteger, nullable=False),
    Column("used_at", BigInteger),
)

mailed_codes = Table(
    "mailed_codes",
    metadata,
    Column("purpose", Text, primary_key=True),
    # The user's id, or for a reset the address's key: an unknown address leaves the same row.
    Column("subject", Text, primary_key=True),
    # Empty when the code is void or used.
    Column("code_hash", LargeBinary),
    # No foreign key: checking it would take longer for an address that has an account.
    Column("user_id", Id, index=True),
    Column("address", Text, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
    Column("wrong", Integer, nullable=False),
)

throttles = Table(
    "throttles",
    metadata,
    Column("key", Text, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("next_at", BigInteger, nullable=False),
    # When the count is forgotten; empty: never.
    Column("forget_at", BigInteger, index=True),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    # Encrypted: recipient, template, brand, language and parameters.
    Column("content", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("next_attempt_at", BigInteger, nullable=False, index=True),
    Column("attempts", Integer, nullable=False, server_default="0"),
    # A claim by a worker that has not told how it went: once it is over, the mail may have been sent.
    Column("claimed_until", BigInteger),
    Column("doubtful", Boolean, nullable=False, server_default="0"),
    Column("last_error", Text),
    # Given up; `next_attempt_at` is then NEVER, so that no worker comes to it.
    Column("failed_at", BigInteger),
    # A keyed digest of the address it goes to. Empty: written by a release that had none.
    Column("recipient", LargeBinary, index=True),
    sqlite_autoincrement=True,
)

events = Table(
    "events",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False, index=True),
    Column("type", Text, nullable=False),
    Column("user_id", Id),
    Column("session_id", Text),
    Column("client_address", Text),
    Column("detail", Text),
    # Who acted where that was not the user: the name of an administrator's key; and why, in that person's words.
    Column("actor", Text),
    Column("reason", Text),
    Index("ix_events_user_id_id", "user_id", "id"),
    Index("ix_events_type_id", "type", "id"),
    # Empty until the event is sealed: its place in the chain, when it got it, and its link (doorward.events.chain).
    Column("seq", BigInteger),
    Column("sealed_at", BigInteger),
    Column("digest", LargeBinary),
    # What is chained of the client's address is a salted digest, so that the address can be erased later.
    Column("client_salt", LargeBinary),
    Column("client_digest", LargeBinary),
    # The sealed in their order, and the unsealed in that of their ids.
    Index("ix_events_seq_id", "seq", "id"),
    sqlite_autoincrement=True,
)

event_chain = Table(
    "event_chain",
    metadata,
    # `head`: the last event that was sealed. `anchor`: the last one that was swept; the chain begins behind it.
    Column("name", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("mac", LargeBinary, nullable=False),
)

event_cursors = Table(
    "event_cursors",
    metadata,
    # How far a receiver of events has come.
    Column("name", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("claimed_until", BigInteger),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("next_attempt_at", BigInteger, nullable=False),
)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("kid", Text, primary_key=True),
    Column("algorithm", Text, nullable=False),
    Column("private_key", LargeBinary, nullable=False),
    Column("public_jwk", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    # A key is published from its making and signs from here on, so that every verifier has seen it by then.
    Column("signs_from", BigInteger, nullable=False),
    # When the last token signed with it is over; empty while it signs or waits to.
    Column("expires_at", BigInteger),
)

kept_secrets = Table(
    "kept_secrets",
    metadata,
    Column("name", Text, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
)

admin_keys = Table(
    "admin_keys",
    metadata,
    # Never given to another key: events tell by it who acted.
    Column("name", Text, primary_key=True),
    Column("secret_hash", LargeBinary, nullable=False, unique=True),
    # Separated by blanks.
    Column("scopes", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("last_used_at", BigInteger),
    Column("revoked_at", BigInteger),
)

administrators = Table(
    "administrators",
    metadata,
    _user_id(primary_key=True),
    Column("granted_at", BigInteger, nullable=False),
)

tallies = Table(
    "tallies",
    metadata,
    # How often something happened in an hour, which is told by its beginning.
    Column("hour", BigInteger, primary_key=True, autoincrement=False),
    Column("what", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
)
