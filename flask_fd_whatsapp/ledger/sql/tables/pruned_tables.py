"""What is kept of messages that were pruned."""

from __future__ import annotations

from sqlalchemy import Column, Date, Table

from ..column_types import UTCDateTime, digest, long_text, text
from .table_metadata import metadata

# Aggregates of pruned messages: one row per day, account, receiver, campaign, template and
# reason, with empty text for a missing one, since a unique key allows duplicate NULLs.
aggregate = Table(
    "fd_whatsapp_aggregate",
    metadata,
    Column("digest", text(32), primary_key=True),
    Column("starts_at", UTCDateTime, nullable=False, index=True),
    Column("ends_at", UTCDateTime, nullable=False),
    Column("account", text(255), nullable=False),
    Column("receiver", text(200), nullable=False),
    Column("campaign", text(255), nullable=False),
    Column("template", text(512), nullable=False),
    Column("code", text(255), nullable=False),
    Column("counts", long_text(), nullable=False),
    Column("figures", long_text(), nullable=False),
)

# The digest of each pruned message's ids, and when it was pruned.
forgotten = Table(
    "fd_whatsapp_forgotten",
    metadata,
    Column("digest", digest(), primary_key=True),
    Column("day", Date, nullable=False, index=True),
)
