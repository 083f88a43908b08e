"""An index that finds a receiver's sent messages without events, without scanning all others."""

import sqlalchemy as sa
from alembic import op

from flask_fd_whatsapp.ledger.sql.migrations.online_ddl import create_index

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

INDEX = "ix_fd_whatsapp_message_receiver_first_seen"
MESSAGE = "fd_whatsapp_message"


def upgrade() -> None:
    is_expected = sa.text("expected_at IS NOT NULL")
    create_index(INDEX, MESSAGE, ["receiver", "first_seen"], where=is_expected)


def downgrade() -> None:
    op.drop_index(INDEX, MESSAGE)
