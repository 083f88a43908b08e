"""What goes through Freshdesk's API: sends, the pace of calls, and runs of ``reconcile``."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, Table, UniqueConstraint

from ..column_types import UTCDateTime, key, long_text, text
from .table_metadata import metadata, partial_index

# Sends through the API, stored before they go out.
send = Table(
    "fd_whatsapp_send",
    metadata,
    Column("id", key(), primary_key=True),
    Column("receiver", text(200), nullable=False),
    Column("account", text(255), nullable=False),
    Column("reference", long_text(), nullable=False),
    Column("reference_digest", text(64), nullable=False),
    # The reference's digest, while it blocks other sends with it.
    Column("once_key", text(64)),
    Column("campaign", text(255)),
    Column("template", text(512)),
    Column("language", text(32)),
    Column("state", text(16), nullable=False),
    Column("message_id", text(255)),
    Column("error", long_text()),
    Column("created_at", UTCDateTime, nullable=False),
    # When its outcome became known; NULL until then.
    Column("settled_at", UTCDateTime),
    UniqueConstraint("receiver", "once_key"),
    Index(None, "reference_digest"),
    Index(None, "message_id", "created_at"),
    Index(None, "receiver", "created_at"),
    Index(None, "campaign", "created_at"),
)
partial_index(send.c.state, send.c.created_at, where=send.c.settled_at.is_(None))

# The pace of API calls, shared by all processes: the virtual scheduling algorithm's
# theoretical arrival time, and until when the API refuses calls.
rate = Table(
    "fd_whatsapp_rate",
    metadata,
    Column("name", text(255), primary_key=True),
    Column("tat", UTCDateTime),
    Column("paused_until", UTCDateTime),
)

# The last run of reconcile for each receiver or account.
reconciliation = Table(
    "fd_whatsapp_reconciliation",
    metadata,
    Column("receiver", text(200), primary_key=True),
    Column("ended_at", UTCDateTime, nullable=False),
    Column("asked", Integer, nullable=False),
    Column("changed", Integer, nullable=False),
    Column("stopped", long_text()),
    # When a run that could ask last ended.
    Column("good_at", UTCDateTime),
)
