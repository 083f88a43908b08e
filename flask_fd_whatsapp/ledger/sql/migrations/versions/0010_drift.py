"""Unknown fields and values seen in payloads."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

TABLE = "fd_whatsapp_drift"


def text(length: int) -> sa.types.TypeEngine[Any]:
    return sa.String(length).with_variant(
        mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_nopad_bin"), "mysql", "mariadb"
    )


def moment() -> sa.types.TypeEngine[Any]:
    return sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("receiver", text(200), nullable=False),
        sa.Column("kind", text(16), nullable=False),
        sa.Column("place", text(128), nullable=False),
        sa.Column("found", text(64), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("first_seen", moment(), nullable=False),
        sa.Column("last_seen", moment(), nullable=False),
        sa.Column("example", text(255)),
        sa.PrimaryKeyConstraint("receiver", "kind", "place", "found", name=f"pk_{TABLE}"),
        if_not_exists=True,
    )


def downgrade() -> None:
    op.drop_table(TABLE)
