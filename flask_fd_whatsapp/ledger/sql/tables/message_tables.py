"""The ledger's tables, in a ``MetaData`` of their own."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    UniqueConstraint,
)

from ....events import Status
from ..column_types import UTCDateTime, binary, digest, key, long_text, text

PREFIX: Final = "fd_whatsapp_"
"""The prefix of all tables' names, Alembic's own included."""


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
    Index(
        None,
        message.c.campaign,
        moment,
        sqlite_where=message.c.campaign.is_not(None),
        postgresql_where=message.c.campaign.is_not(None),
    )

# For pruning sent messages without events, however many others are kept for longer.
Index(
    None,
    message.c.receiver,
    message.c.first_seen,
    sqlite_where=message.c.expected_at.is_not(None),
    postgresql_where=message.c.expected_at.is_not(None),
)

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
Index(
    None,
    event.c.source,
    sqlite_where=event.c.source.is_not(None),
    postgresql_where=event.c.source.is_not(None),
)

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
    # What it did last: see listing.Unsettled.
    Column("outcome", text(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("last_error", long_text(), nullable=False),
    Column("last_error_at", UTCDateTime, nullable=False),
)

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
Index(
    None,
    send.c.state,
    send.c.created_at,
    sqlite_where=send.c.settled_at.is_(None),
    postgresql_where=send.c.settled_at.is_(None),
)

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

# How many duplicate events arrived, by the hour.
duplicate = Table(
    "fd_whatsapp_duplicate",
    metadata,
    Column("receiver", text(200), primary_key=True),
    Column("hour", UTCDateTime, primary_key=True),
    Column("count", Integer, nullable=False),
)

# One row, written by the migrations: the oldest revision whose code works with these tables.
compatibility = Table(
    "fd_whatsapp_compatibility",
    metadata,
    Column("oldest_revision", text(32), primary_key=True),
)
