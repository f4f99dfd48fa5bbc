"""Alembic runs this for each migration; the caller hands over its connection (see `doorward.core.migrate`)."""

from alembic import context

from doorward.core.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=False,
)
context.run_migrations()
