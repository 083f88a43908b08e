"""What each receiver notes besides events."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, SmallInteger, Table, UniqueConstraint

from ..column_types import UTCDateTime, binary, key, long_text, text
from .table_metadata import metadata

quarantine = Table(
    "fd_whatsapp_quarantine",
    metadata,
    Column("id", key(), primary_key=True),
    Column("receiver", text(200), nullable=False),
    Column("digest", text(64), nullable=False),
    Column("is_ignored", Boolean, nullable=False),
    Column("reason", text(32), nullable=False),
    Column("detail", long_text(), nullable=False),
    Column("body", binary(), nullable=False),
    Column("headers", long_text(), nullable=False),
    Column("first_seen", UTCDateTime, nullable=False),
    Column("last_seen", UTCDateTime, nullable=False),
    Column("count", Integer, nullable=False),
    UniqueConstraint("receiver", "digest"),
    Index(None, "receiver", "is_ignored", "last_seen"),
)

rejection = Table(
    "fd_whatsapp_rejection",
    metadata,
    Column("receiver", text(200), primary_key=True),
    Column("reason", text(32), primary_key=True),
    Column("status_code", SmallInteger, nullable=False),
    Column("detail", long_text(), nullable=False),
    Column("last_seen", UTCDateTime, nullable=False),
    # The last rejection at the time of acknowledgement.
    Column("acknowledged_at", UTCDateTime),
    # How often it occurred, and since when; NULL in rows of a previous version.
    Column("count", Integer),
    Column("first_seen", UTCDateTime),
)

# Unknown fields and values seen in payloads: no personal data.
drift = Table(
    "fd_whatsapp_drift",
    metadata,
    Column("receiver", text(200), primary_key=True),
    Column("kind", text(16), primary_key=True),
    Column("place", text(128), primary_key=True),
    Column("found", text(64), primary_key=True),
    Column("count", Integer, nullable=False),
    Column("first_seen", UTCDateTime, nullable=False),
    Column("last_seen", UTCDateTime, nullable=False),
    # The id of a message with such an event.
    Column("example", text(255)),
)

# How many duplicate events arrived, by the hour.
duplicate = Table(
    "fd_whatsapp_duplicate",
    metadata,
    Column("receiver", text(200), primary_key=True),
    Column("hour", UTCDateTime, primary_key=True),
    Column("count", Integer, nullable=False),
)

# When each entry of a header's list of values was last accepted.
token_use = Table(
    "fd_whatsapp_token_use",
    metadata,
    Column("receiver", text(200), primary_key=True),
    Column("header", text(255), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("last_used", UTCDateTime, nullable=False),
)

# Which process is replaying past events to a handler: one at a time.
replay = Table(
    "fd_whatsapp_replay",
    metadata,
    Column("receiver", text(200), primary_key=True),
    Column("handler", text(255), primary_key=True),
    Column("token", text(32), nullable=False),
    Column("held_until", UTCDateTime, nullable=False),
)
