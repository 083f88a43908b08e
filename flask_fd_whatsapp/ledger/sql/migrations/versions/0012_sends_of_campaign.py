"""Find the sends of a campaign without scanning all others."""

from alembic import op

from flask_fd_whatsapp.ledger.sql.migrations.online_ddl import create_index

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

INDEX = "ix_fd_whatsapp_send_campaign_created_at"
SEND = "fd_whatsapp_send"


def upgrade() -> None:
    create_index(INDEX, SEND, ["campaign", "created_at"])


def downgrade() -> None:
    op.drop_index(INDEX, SEND)
