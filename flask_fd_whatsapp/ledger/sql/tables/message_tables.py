"""Messages, their events, and what became of each event."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    Table,
    UniqueConstraint,
)

from ....events import Status
from ..column_types import UTCDateTime, key, long_text, text
from .table_metadata import metadata, partial_index

message = Table(
    "fd_whatsapp_message",
    metadata,
    Column("id", key(), primary_key=True),
    Column("account_id", text(255), nullable=False),
    Column("message_id", text(255), nullable=False),
    Column("external_reference_id", text(255), index=True),
    Column("campaign", text(255)),
    Column("status", text(16)),
    Column("status_rank", SmallInteger),
    # The status before the last event, so that one statement can return what it changed.
    Column("previous_status", text(16)),
    Column("queued_at", UTCDateTime),
    Column("sent_at", UTCDateTime),
    Column("delivered_at", UTCDateTime),
    Column("read_at", UTCDateTime),
    Column("failed_at", UTCDateTime),
    Column("error_code", long_text()),
    Column("error_message", long_text()),
    Column("first_seen", UTCDateTime, nullable=False),
    Column("last_seen", UTCDateTime, nullable=False),
    Column("claim_token", text(32)),
    Column("claim_until", UTCDateTime),
    # The full reference if it is too long for the indexed column, which then has its digest.
    Column("reference_text", long_text()),
    # Since when, and the event's status; meaningless once the claim has ended.
    Column("claimed_at", UTCDateTime),
    Column("claimed_status", text(255)),
    # What was sent, if the sender reported it: a row without a status may have no events.
    Column("template", text(512)),
    Column("language", text(32)),
    Column("expected_at", UTCDateTime),
    # When to ask Freshdesk (again), how often it was asked, and how often it did not find it.
    Column("ask_at", UTCDateTime),
    Column("asks", Integer),
    Column("not_found", Integer),
    # A bit for each status whose time is when the API was asked, not WhatsApp's.
    Column("estimated", SmallInteger),
    # When it was sent, as far as is known; NULL where the previous version recorded it.
    Column("sent_on", UTCDateTime, index=True),
    # The first receiver of one of its events.
    Column("receiver", text(200)),
    # It had been pruned, and another event arrived.
    Column("is_returned", Boolean),
    UniqueConstraint("account_id", "message_id"),
    Index(None, "message_id"),
    Index(None, "first_seen"),
)

TIME_COLUMNS: Final[dict[str, str]] = {
    status: column for status in Status if (column := f"{status.lower()}_at") in message.c
}
"""The column with the time of each known status; other statuses' times are in their events."""

for moment in (message.c.first_seen, message.c.sent_on):
    partial_index(message.c.campaign, moment, where=message.c.campaign.is_not(None))

# For pruning sent messages without events, however many others are kept for longer.
partial_index(message.c.receiver, message.c.first_seen, where=message.c.expected_at.is_not(None))

event = Table(
    "fd_whatsapp_event",
    metadata,
    Column("id", key(), primary_key=True),
    Column(
        "message_key",
        key(),
        ForeignKey(message.c.id, ondelete="CASCADE"),
        nullable=False,
    ),
    Column("status", text(255), nullable=False),
    Column("timestamp", UTCDateTime, nullable=False),
    Column("received_at", UTCDateTime, nullable=False, index=True),
    Column("receiver", text(200), nullable=False),
    Column("payload", long_text(), nullable=False),
    Column("headers", long_text(), nullable=False),
    Column("previous_status", text(16)),
    Column("is_stale", Boolean, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("last_error", long_text()),
    # When the sweep may try it again; NULL once it is done or dead.
    Column("due_at", UTCDateTime),
    Column("dead_at", UTCDateTime),
    # When it was last revived after it had been dead.
    Column("revived_at", UTCDateTime),
    # When its death was acknowledged.
    Column("acknowledged_at", UTCDateTime),
    # How often a handler postponed it.
    Column("postponed", Integer),
    # Until when a sweep has reserved it, though it is due.
    Column("reserved_until", UTCDateTime),
    # Where it came from, if not from the webhook.
    Column("source", text(16)),
    UniqueConstraint("message_key", "status"),
    Index(None, "receiver", "received_at"),
)

partial_index(event.c.due_at, where=event.c.due_at.is_not(None))
partial_index(event.c.dead_at, where=event.c.dead_at.is_not(None))
partial_index(event.c.source, where=event.c.source.is_not(None))

handling = Table(
    "fd_whatsapp_handling",
    metadata,
    Column("event_id", key(), ForeignKey(event.c.id, ondelete="CASCADE"), primary_key=True),
    Column("handler", text(255), primary_key=True),
    Column("is_superseded", Boolean, nullable=False),
    Column("handled_at", UTCDateTime, nullable=False),
    # It raised GiveUp: not called again, although it has not succeeded.
    Column("gave_up", Boolean),
)

# The last error of each failed handler of an event; kept if it succeeds later.
handler_error = Table(
    "fd_whatsapp_handler_error",
    metadata,
    Column("event_id", key(), ForeignKey(event.c.id, ondelete="CASCADE"), primary_key=True),
    Column("handler", text(255), primary_key=True),
    # What it did last: see ledger.listing.Unsettled.
    Column("outcome", text(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("last_error", long_text(), nullable=False),
    Column("last_error_at", UTCDateTime, nullable=False),
)
