"""Alembic's entrance: the connection comes from :mod:`flask_fd_whatsapp.ledger.sql.migrate`."""

from alembic import context

from flask_fd_whatsapp.ledger.sql.schema_version import VERSION_TABLE
from flask_fd_whatsapp.ledger.sql.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
)
context.run_migrations()
