"""Sends, when to ask Freshdesk's API for messages, and which events the API reported."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

from flask_fd_whatsapp.ledger.sql.migrations.online_ddl import add_columns, create_index

revision = "0006"
down_revision = "0005"
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


def key() -> sa.types.TypeEngine[Any]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


SEND = "fd_whatsapp_send"
SOURCE = "ix_fd_whatsapp_event_source"

# Nullable, since processes of the previous version insert without them.
COLUMNS: dict[str, dict[str, Any]] = {
    "fd_whatsapp_message": {
        "template": lambda: text(512),
        "language": lambda: text(32),
        "expected_at": moment,
        "ask_at": moment,
        "asks": sa.Integer,
        "not_found": sa.Integer,
        "estimated": sa.SmallInteger,
    },
    "fd_whatsapp_event": {"source": lambda: text(16)},
}


def upgrade() -> None:
    for table, columns in COLUMNS.items():
        add_columns(table, [sa.Column(name, kind()) for name, kind in columns.items()])
    create_index(SOURCE, "fd_whatsapp_event", ["source"], where=sa.text("source IS NOT NULL"))
    op.create_table(
        SEND,
        sa.Column("id", key(), nullable=False),
        sa.Column("receiver", text(200), nullable=False),
        sa.Column("account", text(255), nullable=False),
        sa.Column("reference", long_text(), nullable=False),
        sa.Column("reference_digest", text(64), nullable=False),
        sa.Column("once_key", text(64)),
        sa.Column("campaign", text(255)),
        sa.Column("template", text(512)),
        sa.Column("language", text(32)),
        sa.Column("state", text(16), nullable=False),
        sa.Column("message_id", text(255)),
        sa.Column("error", long_text()),
        sa.Column("created_at", moment(), nullable=False),
        sa.Column("settled_at", moment()),
        sa.PrimaryKeyConstraint("id", name=f"pk_{SEND}"),
        sa.UniqueConstraint("receiver", "once_key", name=f"uq_{SEND}_receiver_once_key"),
        if_not_exists=True,
    )
    create_index(f"ix_{SEND}_reference_digest", SEND, ["reference_digest"])
    create_index(f"ix_{SEND}_message_id_created_at", SEND, ["message_id", "created_at"])
    create_index(f"ix_{SEND}_receiver_created_at", SEND, ["receiver", "created_at"])
    create_index(
        f"ix_{SEND}_state_created_at",
        SEND,
        ["state", "created_at"],
        where=sa.text("settled_at IS NULL"),
    )
    op.create_table(
        "fd_whatsapp_rate",
        sa.Column("name", text(255), nullable=False),
        sa.Column("tat", moment()),
        sa.Column("paused_until", moment()),
        sa.PrimaryKeyConstraint("name", name="pk_fd_whatsapp_rate"),
        if_not_exists=True,
    )


def downgrade() -> None:
    op.drop_table("fd_whatsapp_rate")
    op.drop_table(SEND)
    op.drop_index(SOURCE, "fd_whatsapp_event")
    for table, columns in COLUMNS.items():
        for name in columns:
            op.drop_column(table, name)
