"""How often each handler of an event failed, and the last error."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TABLE = "fd_whatsapp_handler_error"


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
        TABLE,
        sa.Column("event_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("handler", text(255), nullable=False),
        sa.Column("outcome", text(16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("last_error", long_text(), nullable=False),
        sa.Column("last_error_at", moment(), nullable=False),
        sa.PrimaryKeyConstraint("event_id", "handler", name=f"pk_{TABLE}"),
        sa.ForeignKeyConstraint(
            ["event_id"],
            ["fd_whatsapp_event.id"],
            name=f"fk_{TABLE}_event_id",
            ondelete="CASCADE",
        ),
        if_not_exists=True,
    )


def downgrade() -> None:
    op.drop_table(TABLE)
