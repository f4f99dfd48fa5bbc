"""On SQLite, a name is kept once: in the tree by which it is found, no longer in a table behind it as well.

A look-up by name reads one tree less. On PostgreSQL there is nothing to do.
"""

from alembic import op

revision = "0008"
down_revision = "0007"
works_from = "0003"


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        with op.batch_alter_table("identifiers", recreate="always", table_kwargs={"sqlite_with_rowid": False}):
            pass
