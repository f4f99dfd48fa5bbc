"""The chain of events, and how far those who collect them have come."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
# A server of before sweeps events without a word to the chain: those that are over while both run show as missing.
works_from = "0003"


def upgrade() -> None:
    op.add_column("events", sa.Column("seq", sa.BigInteger(), nullable=True))
    op.add_column("events", sa.Column("sealed_at", sa.BigInteger(), nullable=True))
    op.add_column("events", sa.Column("digest", sa.LargeBinary(), nullable=True))
    op.add_column("events", sa.Column("client_salt", sa.LargeBinary(), nullable=True))
    op.add_column("events", sa.Column("client_digest", sa.LargeBinary(), nullable=True))
    op.create_index("ix_events_seq_id", "events", ["seq", "id"], unique=False)
    op.create_table(
        "event_chain",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("mac", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_event_chain")),
    )
    op.create_table(
        "event_cursors",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("claimed_until", sa.BigInteger(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_attempt_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_event_cursors")),
    )
