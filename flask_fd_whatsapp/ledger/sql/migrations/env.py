"""Alembic's entry point: the connection comes from :mod:`flask_fd_whatsapp.ledger.sql.migrate`."""

from alembic import context

from flask_fd_whatsapp.ledger.sql.schema_version import VERSION_TABLE
from flask_fd_whatsapp.ledger.sql.tables import metadata

given = context.config.attributes
context.configure(
    connection=given["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
    transaction_per_migration=True,
    tell=given["tell"],
    patience=given["patience"],
)
context.run_migrations()
