"""${message}"""

import sqlalchemy as sa
from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
works_from = ""
"""The oldest schema version whose code works with this: docs/decisions/0012."""


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}
