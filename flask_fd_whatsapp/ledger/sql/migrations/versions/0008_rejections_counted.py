"""How often requests were rejected for each reason, and since when."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

from flask_fd_whatsapp.ledger.sql.migrations.online_ddl import add_columns

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TABLE = "fd_whatsapp_rejection"


def moment() -> sa.types.TypeEngine[Any]:
    return sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def upgrade() -> None:
    # Nullable, since processes of the previous version insert without them.
    add_columns(TABLE, [sa.Column("count", sa.Integer()), sa.Column("first_seen", moment())])


def downgrade() -> None:
    op.drop_column(TABLE, "first_seen")
    op.drop_column(TABLE, "count")
