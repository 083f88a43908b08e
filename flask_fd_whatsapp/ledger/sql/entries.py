"""An entry as parameters of the statements that record it."""

from __future__ import annotations

import json
from typing import Any, Final

from ...events import Status, StatusEvent, rank_of
from ..forgotten import digest_of
from ..records import Entry
from ..references import KeptReference, storable
from .dialects.base import Database

_TIME_COLUMNS: Final[dict[str, str]] = {status: f"{status.lower()}_at" for status in Status}
_NONE: Final[dict[str, Any]] = {
    **dict.fromkeys(_TIME_COLUMNS.values()),
    "known_status": None,
    "rank": None,
    "error_code": None,
    "error_message": None,
}


def key_of(event: StatusEvent) -> dict[str, Any]:
    """What finds an event that is recorded."""
    return {
        "account_id": event.account_id,
        "message_id": event.message_id,
        "status": str(event.status),
    }


def values_of(entry: Entry, database: Database) -> dict[str, Any]:
    """What is recorded of *entry*, its event's message included."""
    event = entry.event
    timestamp = database.moment(event.timestamp)
    given = event.external_reference_id
    reference = KeptReference.of(given) if given else None
    values = {
        **_NONE,
        **key_of(event),
        "timestamp": timestamp,
        "receiver": entry.receiver,
        "payload": entry.body,
        "headers": json.dumps(dict(entry.headers)) if entry.headers else "{}",
        "reference": reference and reference.key,
        "reference_text": reference and reference.text,
        "campaign": storable(entry.campaign),
        "digest": digest_of(event.account_id, event.message_id),
    }
    rank = rank_of(event.status)
    if rank is not None:
        values["known_status"] = values["status"]
        values["rank"] = rank
        values[_TIME_COLUMNS[event.status]] = timestamp
    if event.error is not None and event.status == Status.FAILED:
        values["error_code"] = storable(event.error.code)
        values["error_message"] = storable(event.error.message)
    return values
