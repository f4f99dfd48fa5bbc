"""Who is an administrator, counts by the hour, and whom a mail of the outbox goes to."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
# A server of before counts nothing and writes no digest: its hours show too little, and its mails are not found.
works_from = "0003"


def upgrade() -> None:
    op.create_table(
        "administrators",
        sa.Column("user_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("granted_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_administrators_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_administrators")),
    )
    op.create_table(
        "tallies",
        sa.Column("hour", sa.BigInteger(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hour", "what", name=op.f("pk_tallies")),
    )
    op.add_column("outbox", sa.Column("recipient", sa.LargeBinary(), nullable=True))
    op.create_index("ix_outbox_recipient", "outbox", ["recipient"], unique=False)
