"""When messages were sent, aggregates of pruned ones, and how many duplicate events arrived."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

from flask_fd_whatsapp.ledger.sql.migrations.online_ddl import (
    add_columns,
    create_index,
    drop_index,
)

revision = "0007"
down_revision = "0006"
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


def digest() -> sa.types.TypeEngine[Any]:
    return sa.LargeBinary(16).with_variant(mysql.BINARY(16), "mysql", "mariadb")


MESSAGE = "fd_whatsapp_message"
AGGREGATE = "fd_whatsapp_aggregate"
FORGOTTEN = "fd_whatsapp_forgotten"
DUPLICATE = "fd_whatsapp_duplicate"

# Nullable, since processes of the previous version insert without them.
COLUMNS: dict[str, Any] = {
    "sent_on": moment,
    "receiver": lambda: text(200),
    "is_returned": sa.Boolean,
}


def upgrade() -> None:
    add_columns(MESSAGE, [sa.Column(name, kind()) for name, kind in COLUMNS.items()])
    create_index(f"ix_{MESSAGE}_sent_on", MESSAGE, ["sent_on"])
    # Those by first_seen are dropped a release later: the previous version's queries use them.
    create_index(
        f"ix_{MESSAGE}_campaign_sent_on",
        MESSAGE,
        ["campaign", "sent_on"],
        where=sa.text("campaign IS NOT NULL"),
    )
    op.create_table(
        AGGREGATE,
        sa.Column("digest", text(32), nullable=False),
        sa.Column("starts_at", moment(), nullable=False),
        sa.Column("ends_at", moment(), nullable=False),
        sa.Column("account", text(255), nullable=False),
        sa.Column("receiver", text(200), nullable=False),
        sa.Column("campaign", text(255), nullable=False),
        sa.Column("template", text(512), nullable=False),
        sa.Column("code", text(255), nullable=False),
        sa.Column("counts", long_text(), nullable=False),
        sa.Column("figures", long_text(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=f"pk_{AGGREGATE}"),
        if_not_exists=True,
    )
    create_index(f"ix_{AGGREGATE}_starts_at", AGGREGATE, ["starts_at"])
    op.create_table(
        FORGOTTEN,
        sa.Column("digest", digest(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=f"pk_{FORGOTTEN}"),
        if_not_exists=True,
    )
    create_index(f"ix_{FORGOTTEN}_day", FORGOTTEN, ["day"])
    op.create_table(
        DUPLICATE,
        sa.Column("receiver", text(200), nullable=False),
        sa.Column("hour", moment(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("receiver", "hour", name=f"pk_{DUPLICATE}"),
        if_not_exists=True,
    )


def downgrade() -> None:
    op.drop_table(DUPLICATE)
    op.drop_table(FORGOTTEN)
    op.drop_table(AGGREGATE)
    drop_index(f"ix_{MESSAGE}_campaign_sent_on", MESSAGE)
    drop_index(f"ix_{MESSAGE}_sent_on", MESSAGE)
    for name in COLUMNS:
        op.drop_column(MESSAGE, name)
