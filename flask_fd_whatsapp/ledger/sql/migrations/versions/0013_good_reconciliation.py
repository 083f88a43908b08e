"""When each receiver's messages were last asked for by a run that could ask."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

from flask_fd_whatsapp.ledger.sql.migrations.online_ddl import add_columns

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

TABLE = "fd_whatsapp_reconciliation"


def moment() -> sa.types.TypeEngine[Any]:
    return sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def upgrade() -> None:
    add_columns(TABLE, [sa.Column("good_at", moment())])
    run = sa.table(TABLE, sa.column("good_at"), sa.column("ended_at"))
    op.execute(run.update().where(run.c.good_at.is_(None)).values(good_at=run.c.ended_at))


def downgrade() -> None:
    op.drop_column(TABLE, "good_at")
