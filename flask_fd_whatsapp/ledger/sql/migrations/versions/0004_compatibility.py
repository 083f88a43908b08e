"""The oldest revision whose code works with the tables.

A migration that only adds leaves it unchanged.  One that breaks the code of an earlier revision
sets it to the first revision that still works, and the changelog announces it.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TABLE = "fd_whatsapp_compatibility"


def text(length: int) -> sa.types.TypeEngine[Any]:
    return sa.String(length).with_variant(
        mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_nopad_bin"), "mysql", "mariadb"
    )


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("oldest_revision", text(32), nullable=False),
        sa.PrimaryKeyConstraint("oldest_revision", name=f"pk_{TABLE}"),
        if_not_exists=True,
    )
    op.execute("DELETE FROM fd_whatsapp_compatibility")
    op.execute("INSERT INTO fd_whatsapp_compatibility (oldest_revision) VALUES ('0003')")


def downgrade() -> None:
    op.drop_table(TABLE)
