"""The last rejections, and when each receiver last had an event."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

from flask_fd_whatsapp.ledger.sql.migrations.online_ddl import create_index

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def text(length: int) -> sa.types.TypeEngine[Any]:
    return sa.String(length).with_variant(
        mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_nopad_bin"), "mysql", "mariadb"
    )


def long_text() -> sa.types.TypeEngine[Any]:
    return sa.Text().with_variant(
        mysql.MEDIUMTEXT(charset="utf8mb4", collation="utf8mb4_nopad_bin"), "mysql", "mariadb"
    )


def moment() -> sa.types.TypeEngine[Any]:
    return sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "fd_whatsapp_rejection",
        sa.Column("receiver", text(200), nullable=False),
        sa.Column("reason", text(32), nullable=False),
        sa.Column("status_code", sa.SmallInteger(), nullable=False),
        sa.Column("detail", long_text(), nullable=False),
        sa.Column("last_seen", moment(), nullable=False),
        sa.PrimaryKeyConstraint("receiver", "reason", name="pk_fd_whatsapp_rejection"),
        if_not_exists=True,
    )
    create_index(
        "ix_fd_whatsapp_event_receiver_received_at",
        "fd_whatsapp_event",
        ["receiver", "received_at"],
    )


def downgrade() -> None:
    op.drop_index("ix_fd_whatsapp_event_receiver_received_at", "fd_whatsapp_event")
    op.drop_table("fd_whatsapp_rejection")
