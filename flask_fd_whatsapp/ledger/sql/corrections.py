"""Events reported by Freshdesk's API: their times, and the webhooks that correct them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ...events import StatusEvent
from ..asking import ESTIMATED_BITS, UNSURE_BIT, estimated_bit
from .rows import Found, Inserted
from .statement_parameters import Statement

_TOLD: Final = "UPDATE fd_whatsapp_event SET source = :source WHERE id = :event_id"

_ESTIMATED: Final = """
UPDATE fd_whatsapp_message SET estimated = COALESCE(estimated, 0) | :estimated
WHERE id = :message_key
"""

# Replaces the time of asking with the webhook's; the message first, since all lock it first.
_CORRECTED: Final = """
UPDATE fd_whatsapp_message
SET queued_at = COALESCE(:queued_at, queued_at), sent_at = COALESCE(:sent_at, sent_at),
    delivered_at = COALESCE(:delivered_at, delivered_at), read_at = COALESCE(:read_at, read_at),
    failed_at = COALESCE(:failed_at, failed_at), estimated = estimated & :others
WHERE id = :message_key
"""

_KNOWN: Final = ", ".join(f"'{status}'" for status in ESTIMATED_BITS)
_ALL_BITS: Final = sum(ESTIMATED_BITS.values())

# Run after any change that involves the API: from all events, while the message is locked.
_DATED: Final = """
UPDATE fd_whatsapp_message
SET sent_on = COALESCE(
      queued_at,
      expected_at,
      (SELECT MIN(e.timestamp) FROM fd_whatsapp_event e
       WHERE e.message_key = fd_whatsapp_message.id
         AND (e.source IS NULL OR e.status NOT IN ({known}))),
      (SELECT MIN(e.timestamp) FROM fd_whatsapp_event e
       WHERE e.message_key = fd_whatsapp_message.id),
      sent_on
    ),
    estimated = CASE
      WHEN EXISTS (SELECT 1 FROM fd_whatsapp_event e
                   WHERE e.message_key = fd_whatsapp_message.id
                     AND (e.source IS NULL OR e.status NOT IN ({known})))
      THEN estimated & ({unsure} - 1) ELSE COALESCE(estimated, 0) | {unsure} END
WHERE id = :message_key
"""

_REPLACED: Final = """
UPDATE fd_whatsapp_event
SET source = NULL, timestamp = :timestamp, payload = :payload, headers = :headers
WHERE id = :event_id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectionStatements:
    """The statements that correct what the API reported, each by what it does."""

    told: Statement
    estimated: Statement
    corrected: Statement
    replaced: Statement
    dated: Statement


CORRECTION_TEXTS: Final = {
    "told": _TOLD,
    "estimated": _ESTIMATED,
    "corrected": _CORRECTED,
    "replaced": _REPLACED,
    "dated": _DATED.format(unsure=UNSURE_BIT, known=_KNOWN),
}
"""The statements, the same for every database."""


def mark_told(
    cursor: Any, statements: CorrectionStatements, event: StatusEvent, inserted: Inserted
) -> None:
    """Note that the API reported a new event, and that its time is that of asking."""
    bit = estimated_bit(event)
    parameters = {"estimated": bit, "message_key": inserted.key}
    if inserted.event_id is not None:
        if bit:
            statements.estimated.execute(cursor, parameters)
        its = {"source": event.source, "event_id": inserted.event_id}
        statements.told.execute(cursor, its)
    statements.dated.execute(cursor, parameters)


def correct(
    cursor: Any,
    statements: CorrectionStatements,
    event: StatusEvent,
    found: Found,
    parameters: Mapping[str, Any],
) -> None:
    """Replace what the API reported with the payload and time of the webhook.

    :param parameters: those of the webhook's event.
    """
    its = {
        **parameters,
        "message_key": found.message_key,
        "event_id": found.event_id,
        "others": ~ESTIMATED_BITS.get(event.status, 0) & _ALL_BITS,
    }
    statements.corrected.execute(cursor, its)
    statements.replaced.execute(cursor, its)
    statements.dated.execute(cursor, its)
