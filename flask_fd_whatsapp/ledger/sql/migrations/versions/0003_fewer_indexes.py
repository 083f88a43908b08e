"""Drop indexes that every event had to update, for queries that others serve as well.

A message's ``last_seen`` changes with each of its events: with an index on it PostgreSQL writes
to all the table's indexes each time.  Messages without a campaign need not be found by it.
"""

import sqlalchemy as sa
from alembic import op

from flask_fd_whatsapp.ledger.sql.migrations.online_ddl import create_index, drop_index

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TABLE = "fd_whatsapp_message"
LAST_SEEN = "ix_fd_whatsapp_message_last_seen"
CAMPAIGN = "ix_fd_whatsapp_message_campaign_first_seen"


def upgrade() -> None:
    drop_index(LAST_SEEN, TABLE)
    if op.get_bind().dialect.name in ("sqlite", "postgresql"):  # MariaDB has no partial indexes
        drop_index(CAMPAIGN, TABLE)
        has_campaign = sa.text("campaign IS NOT NULL")
        create_index(CAMPAIGN, TABLE, ["campaign", "first_seen"], where=has_campaign)


def downgrade() -> None:
    if op.get_bind().dialect.name in ("sqlite", "postgresql"):
        op.drop_index(CAMPAIGN, TABLE)
        op.create_index(CAMPAIGN, TABLE, ["campaign", "first_seen"])
    op.create_index(LAST_SEEN, TABLE, ["last_seen"])
