"""Names without a table behind their index, on SQLite."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
works_from = "0003"


def upgrade() -> None:
    if op.get_bind().dialect.name != "sqlite":
        return
    # A user who was deleted by other tools than Doorward may have left names, which nobody else could take.
    op.execute(
        "CREATE TEMPORARY TABLE names AS SELECT key, user_id FROM identifiers WHERE user_id IN (SELECT id FROM users)"
    )
    # Not made beside it and renamed: SQLite looks through all views and triggers then, and refuses when one of somebody
    # else's reads this table.
    op.drop_table("identifiers")
    op.create_table(
        "identifiers",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_identifiers_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_identifiers")),
        sqlite_with_rowid=False,
    )
    # In the tree's own order, so that each page of it is written once.
    op.execute("INSERT INTO identifiers SELECT key, user_id FROM names ORDER BY key")
    op.create_index(op.f("ix_identifiers_user_id"), "identifiers", ["user_id"], unique=False)
    op.execute("DROP TABLE names")
