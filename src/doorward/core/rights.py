"""What the role that a connection to PostgreSQL has may do there, and what it should (docs/operations.md, "Two roles").

Serving needs to read and write rows, and to read the schema's version. Migrating needs to own the tables.
"""

import sqlalchemy as sa

from doorward.core.db import Tx
from doorward.core.schema import TABLE
from doorward.core.tables import metadata

ROWS = ["SELECT", "INSERT", "UPDATE", "DELETE"]

ROLE = sa.text("SELECT current_user")
MAY_CHANGE_SCHEMA = sa.text("""
SELECT has_schema_privilege(current_schema(), 'CREATE')
OR has_database_privilege(current_database(), 'CREATE')
OR EXISTS (
    SELECT FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace AND relname = ANY(:tables) AND pg_has_role(relowner, 'MEMBER')
)
""")
# By CASE, since a condition may be asked in any order, and this question fails for what is no sequence.
LACKING = sa.text("""
SELECT needed || ' on ' || relname
FROM pg_class, unnest(CAST(:rows AS text[])) AS needed
WHERE relnamespace = current_schema()::regnamespace AND relname = ANY(:tables)
AND (needed = 'SELECT' OR relname <> :version) AND NOT has_table_privilege(pg_class.oid, needed)
UNION ALL
SELECT 'USAGE on ' || pg_class.relname
FROM pg_class
JOIN pg_depend ON classid = 'pg_class'::regclass AND objid = pg_class.oid
JOIN pg_class AS counted ON refclassid = 'pg_class'::regclass AND refobjid = counted.oid
WHERE pg_class.relnamespace = current_schema()::regnamespace AND counted.relname = ANY(:tables)
AND CASE WHEN pg_class.relkind = 'S' THEN NOT has_sequence_privilege(pg_class.oid, 'USAGE') END
""")


def role(tx: Tx) -> str:
    """Whom the statements of this transaction are given by."""
    return str(tx.execute(ROLE).scalar_one())


def may_change_schema(tx: Tx) -> bool:
    """Whether the role may make tables or change one of ours: more than serving needs."""
    return bool(tx.execute(MAY_CHANGE_SCHEMA, {"tables": _tables()}).scalar_one())


def lacking(tx: Tx) -> list[str]:
    """What the role needs to serve on the schema that is there, and has not, such as `UPDATE on events`."""
    given = {"tables": _tables(), "version": TABLE.name, "rows": ROWS}
    return sorted(tx.execute(LACKING, given).scalars())


def _tables() -> list[str]:
    return [TABLE.name, *metadata.tables]
