"""The ledger's tables, in a ``MetaData`` of their own.

Times are UTC.  Ids compare byte for byte on every database: MariaDB's default collation would
take ``a`` and ``A`` for the same.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeDecorator, TypeEngine


class UTCDateTime(TypeDecorator[datetime]):
    """An aware UTC datetime with microseconds; naive UTC where a database has no time zones."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(DateTime(timezone=True))
        if dialect.name in ("mysql", "mariadb"):
            return dialect.type_descriptor(mysql.DATETIME(fsp=6))
        return dialect.type_descriptor(DateTime())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        moment = value.astimezone(UTC)
        return moment if dialect.name == "postgresql" else moment.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


def _text(length: int) -> TypeEngine[str]:
    mariadb = mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_nopad_bin")
    return String(length).with_variant(mariadb, "mysql", "mariadb")


def _long_text() -> TypeEngine[str]:
    mariadb = mysql.MEDIUMTEXT(charset="utf8mb4", collation="utf8mb4_nopad_bin")
    return Text().with_variant(mariadb, "mysql", "mariadb")


def _bytes() -> TypeEngine[bytes]:
    return LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb")


def _key() -> TypeEngine[int]:
    return BigInteger().with_variant(Integer(), "sqlite")


PREFIX: Final = "fd_whatsapp_"
"""What the names of all tables begin with, Alembic's own included."""


def include_object(
    object: Any,  # noqa: A002 - Alembic's name
    name: str | None,
    type_: str,
    reflected: bool,
    compare_to: Any,
) -> bool:
    """For the host's own Alembic or Flask-Migrate: leave the ledger's tables alone.

    They are not among the host's models, so that ``flask db migrate`` would drop them.  Pass it as
    ``include_object`` to Flask-Migrate's ``Migrate``, or to ``context.configure`` in ``env.py``.
    """
    table = object if type_ == "table" else getattr(object, "table", None)
    return table is None or not table.name.startswith(PREFIX)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

message = Table(
    "fd_whatsapp_message",
    metadata,
    Column("id", _key(), primary_key=True),
    Column("account_id", _text(255), nullable=False),
    Column("message_id", _text(255), nullable=False),
    Column("external_reference_id", _text(255), index=True),
    Column("campaign", _text(255)),
    Column("status", _text(16)),
    Column("status_rank", SmallInteger),
    # The status before the last event: how that event learns what it changed, in one statement.
    Column("previous_status", _text(16)),
    Column("queued_at", UTCDateTime),
    Column("sent_at", UTCDateTime),
    Column("delivered_at", UTCDateTime),
    Column("read_at", UTCDateTime),
    Column("failed_at", UTCDateTime),
    Column("error_code", _long_text()),
    Column("error_message", _long_text()),
    Column("first_seen", UTCDateTime, nullable=False),
    Column("last_seen", UTCDateTime, nullable=False),
    Column("claim_token", _text(32)),
    Column("claim_until", UTCDateTime),
    # The whole of a reference that is too long for the indexed column, which has its digest then.
    Column("reference_text", _long_text()),
    # Since when, and the event's status; of a claim that has ended they mean nothing.
    Column("claimed_at", UTCDateTime),
    Column("claimed_status", _text(255)),
    UniqueConstraint("account_id", "message_id"),
    Index(None, "message_id"),
    Index(None, "first_seen"),
)

Index(
    None,
    message.c.campaign,
    message.c.first_seen,
    sqlite_where=message.c.campaign.is_not(None),
    postgresql_where=message.c.campaign.is_not(None),
)

event = Table(
    "fd_whatsapp_event",
    metadata,
    Column("id", _key(), primary_key=True),
    Column(
        "message_key",
        _key(),
        ForeignKey(message.c.id, ondelete="CASCADE"),
        nullable=False,
    ),
    Column("status", _text(255), nullable=False),
    Column("timestamp", UTCDateTime, nullable=False),
    Column("received_at", UTCDateTime, nullable=False, index=True),
    Column("receiver", _text(200), nullable=False),
    Column("payload", _long_text(), nullable=False),
    Column("headers", _long_text(), nullable=False),
    Column("previous_status", _text(16)),
    Column("is_stale", Boolean, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("last_error", _long_text()),
    # When the sweep may try it again; NULL once it is done or dead.
    Column("due_at", UTCDateTime),
    Column("dead_at", UTCDateTime),
    # When it was last made pending again after it had been dead.
    Column("revived_at", UTCDateTime),
    # When somebody has taken note that it is dead.
    Column("acknowledged_at", UTCDateTime),
    # How often a handler has asked to be called later.
    Column("postponed", Integer),
    # Until when it is left to whoever has taken it to try, though it is due.
    Column("reserved_until", UTCDateTime),
    UniqueConstraint("message_key", "status"),
    Index(None, "receiver", "received_at"),
)

Index(
    None,
    event.c.due_at,
    sqlite_where=event.c.due_at.is_not(None),
    postgresql_where=event.c.due_at.is_not(None),
)
Index(
    None,
    event.c.dead_at,
    sqlite_where=event.c.dead_at.is_not(None),
    postgresql_where=event.c.dead_at.is_not(None),
)

handling = Table(
    "fd_whatsapp_handling",
    metadata,
    Column("event_id", _key(), ForeignKey(event.c.id, ondelete="CASCADE"), primary_key=True),
    Column("handler", _text(255), primary_key=True),
    Column("is_superseded", Boolean, nullable=False),
    Column("handled_at", UTCDateTime, nullable=False),
    # It raised GiveUp: not to be called again, but it has not succeeded.
    Column("gave_up", Boolean),
)

quarantine = Table(
    "fd_whatsapp_quarantine",
    metadata,
    Column("id", _key(), primary_key=True),
    Column("receiver", _text(200), nullable=False),
    Column("digest", _text(64), nullable=False),
    Column("is_ignored", Boolean, nullable=False),
    Column("reason", _text(32), nullable=False),
    Column("detail", _long_text(), nullable=False),
    Column("body", _bytes(), nullable=False),
    Column("headers", _long_text(), nullable=False),
    Column("first_seen", UTCDateTime, nullable=False),
    Column("last_seen", UTCDateTime, nullable=False),
    Column("count", Integer, nullable=False),
    UniqueConstraint("receiver", "digest"),
    Index(None, "receiver", "is_ignored", "last_seen"),
)

rejection = Table(
    "fd_whatsapp_rejection",
    metadata,
    Column("receiver", _text(200), primary_key=True),
    Column("reason", _text(32), primary_key=True),
    Column("status_code", SmallInteger, nullable=False),
    Column("detail", _long_text(), nullable=False),
    Column("last_seen", UTCDateTime, nullable=False),
    # What was last seen when somebody took note.
    Column("acknowledged_at", UTCDateTime),
)

# When each entry of a header's list of values was last accepted.
token_use = Table(
    "fd_whatsapp_token_use",
    metadata,
    Column("receiver", _text(200), primary_key=True),
    Column("header", _text(255), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("last_used", UTCDateTime, nullable=False),
)

# Who calls a handler with past events just now: one process at a time.
replay = Table(
    "fd_whatsapp_replay",
    metadata,
    Column("receiver", _text(200), primary_key=True),
    Column("handler", _text(255), primary_key=True),
    Column("token", _text(32), nullable=False),
    Column("held_until", UTCDateTime, nullable=False),
)

# One row, written by the migrations: the oldest revision whose code works with these tables.
compatibility = Table(
    "fd_whatsapp_compatibility",
    metadata,
    Column("oldest_revision", _text(32), primary_key=True),
)
