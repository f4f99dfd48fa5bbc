"""Administrators' keys, who acted and why, mails that were given up, and the searches of an administrator."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0003"
works_from = "0003"


def upgrade() -> None:
    op.create_table(
        "admin_keys",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_admin_keys")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_admin_keys_secret_hash")),
    )
    op.add_column("events", sa.Column("actor", sa.Text(), nullable=True))
    op.add_column("events", sa.Column("reason", sa.Text(), nullable=True))
    op.create_index("ix_events_type_id", "events", ["type", "id"], unique=False)
    op.add_column("outbox", sa.Column("failed_at", sa.BigInteger(), nullable=True))
    if op.get_bind().dialect.name == "postgresql":
        op.create_index("ix_identifiers_key_bytes", "identifiers", [sa.text('key COLLATE "C"')], unique=False)
