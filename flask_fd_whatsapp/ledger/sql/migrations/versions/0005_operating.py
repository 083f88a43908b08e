"""Columns and a table for long references, slow handlers or ones that gave up, and operating."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

from flask_fd_whatsapp.ledger.sql.migrations.online_ddl import add_columns

revision = "0005"
down_revision = "0004"
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


# Nullable, since processes of the previous version insert without them.
COLUMNS: dict[str, dict[str, Any]] = {
    "fd_whatsapp_message": {
        "reference_text": long_text,
        "claimed_at": moment,
        "claimed_status": lambda: text(255),
    },
    "fd_whatsapp_event": {
        "revived_at": moment,
        "acknowledged_at": moment,
        "postponed": sa.Integer,
        "reserved_until": moment,
    },
    "fd_whatsapp_handling": {"gave_up": sa.Boolean},
    "fd_whatsapp_rejection": {"acknowledged_at": moment},
}


def upgrade() -> None:
    for table, columns in COLUMNS.items():
        add_columns(table, [sa.Column(name, kind()) for name, kind in columns.items()])
    op.create_table(
        "fd_whatsapp_token_use",
        sa.Column("receiver", text(200), nullable=False),
        sa.Column("header", text(255), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("last_used", moment(), nullable=False),
        sa.PrimaryKeyConstraint("receiver", "header", "position", name="pk_fd_whatsapp_token_use"),
        if_not_exists=True,
    )
    op.create_table(
        "fd_whatsapp_replay",
        sa.Column("receiver", text(200), nullable=False),
        sa.Column("handler", text(255), nullable=False),
        sa.Column("token", text(32), nullable=False),
        sa.Column("held_until", moment(), nullable=False),
        sa.PrimaryKeyConstraint("receiver", "handler", name="pk_fd_whatsapp_replay"),
        if_not_exists=True,
    )


def downgrade() -> None:
    op.drop_table("fd_whatsapp_replay")
    op.drop_table("fd_whatsapp_token_use")
    for table, columns in COLUMNS.items():
        for name in columns:
            op.drop_column(table, name)
