"""The tables of the first version.

Each only if it is missing: MariaDB keeps what a run that died halfway had created.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None
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


def key() -> sa.types.TypeEngine[Any]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def moment() -> sa.types.TypeEngine[Any]:
    return sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "fd_whatsapp_message",
        sa.Column("id", key(), nullable=False),
        sa.Column("account_id", text(255), nullable=False),
        sa.Column("message_id", text(255), nullable=False),
        sa.Column("external_reference_id", text(255)),
        sa.Column("campaign", text(255)),
        sa.Column("status", text(16)),
        sa.Column("status_rank", sa.SmallInteger()),
        sa.Column("previous_status", text(16)),
        sa.Column("queued_at", moment()),
        sa.Column("sent_at", moment()),
        sa.Column("delivered_at", moment()),
        sa.Column("read_at", moment()),
        sa.Column("failed_at", moment()),
        sa.Column("error_code", long_text()),
        sa.Column("error_message", long_text()),
        sa.Column("first_seen", moment(), nullable=False),
        sa.Column("last_seen", moment(), nullable=False),
        sa.Column("claim_token", text(32)),
        sa.Column("claim_until", moment()),
        sa.PrimaryKeyConstraint("id", name="pk_fd_whatsapp_message"),
        sa.UniqueConstraint(
            "account_id", "message_id", name="uq_fd_whatsapp_message_account_id_message_id"
        ),
        if_not_exists=True,
    )
    for columns in (
        ["message_id"],
        ["external_reference_id"],
        ["campaign", "first_seen"],
        ["first_seen"],
        ["last_seen"],
    ):
        index("fd_whatsapp_message", columns)

    op.create_table(
        "fd_whatsapp_event",
        sa.Column("id", key(), nullable=False),
        sa.Column("message_key", key(), nullable=False),
        sa.Column("status", text(255), nullable=False),
        sa.Column("timestamp", moment(), nullable=False),
        sa.Column("received_at", moment(), nullable=False),
        sa.Column("receiver", text(200), nullable=False),
        sa.Column("payload", long_text(), nullable=False),
        sa.Column("headers", long_text(), nullable=False),
        sa.Column("previous_status", text(16)),
        sa.Column("is_stale", sa.Boolean(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("last_error", long_text()),
        sa.Column("due_at", moment()),
        sa.Column("dead_at", moment()),
        sa.PrimaryKeyConstraint("id", name="pk_fd_whatsapp_event"),
        sa.ForeignKeyConstraint(
            ["message_key"],
            ["fd_whatsapp_message.id"],
            name="fk_fd_whatsapp_event_message_key",
            ondelete="CASCADE",
        ),
        sa.UniqueConstraint(
            "message_key", "status", name="uq_fd_whatsapp_event_message_key_status"
        ),
        if_not_exists=True,
    )
    index("fd_whatsapp_event", ["received_at"])
    for column in ("due_at", "dead_at"):
        unfinished = sa.text(f"{column} IS NOT NULL")
        index("fd_whatsapp_event", [column], sqlite_where=unfinished, postgresql_where=unfinished)

    op.create_table(
        "fd_whatsapp_handling",
        sa.Column("event_id", key(), nullable=False),
        sa.Column("handler", text(255), nullable=False),
        sa.Column("is_superseded", sa.Boolean(), nullable=False),
        sa.Column("handled_at", moment(), nullable=False),
        sa.PrimaryKeyConstraint("event_id", "handler", name="pk_fd_whatsapp_handling"),
        sa.ForeignKeyConstraint(
            ["event_id"],
            ["fd_whatsapp_event.id"],
            name="fk_fd_whatsapp_handling_event_id",
            ondelete="CASCADE",
        ),
        if_not_exists=True,
    )

    op.create_table(
        "fd_whatsapp_quarantine",
        sa.Column("id", key(), nullable=False),
        sa.Column("receiver", text(200), nullable=False),
        sa.Column("digest", text(64), nullable=False),
        sa.Column("is_ignored", sa.Boolean(), nullable=False),
        sa.Column("reason", text(32), nullable=False),
        sa.Column("detail", long_text(), nullable=False),
        sa.Column(
            "body",
            sa.LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb"),
            nullable=False,
        ),
        sa.Column("headers", long_text(), nullable=False),
        sa.Column("first_seen", moment(), nullable=False),
        sa.Column("last_seen", moment(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_fd_whatsapp_quarantine"),
        sa.UniqueConstraint("receiver", "digest", name="uq_fd_whatsapp_quarantine_receiver_digest"),
        if_not_exists=True,
    )
    index("fd_whatsapp_quarantine", ["receiver", "is_ignored", "last_seen"])


def index(table: str, columns: list[str], **options: Any) -> None:
    name = f"ix_{table}_{'_'.join(columns)}"
    op.create_index(name, table, columns, if_not_exists=True, **options)


def downgrade() -> None:
    for table in ("quarantine", "handling", "event", "message"):
        op.drop_table(f"fd_whatsapp_{table}")
