"""The API's report on a message, in the shape of a webhook."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from ..events import EVENT_TYPE, Status
from .outbound_message import OutboundMessage


def told_event(told: OutboundMessage, account_id: str, asked_at: datetime) -> bytes:
    """Build a body of ids, reference, status, time and error only.

    :param asked_at: used as the time of the status, since the API reports no time other than that
        of QUEUED.
    """
    reached = told.created_at if told.status == Status.QUEUED else None
    data: dict[str, Any] = {
        "message_id": told.message_id,
        "external_reference_id": told.external_reference_id,
        "status": str(told.status),
        "timestamp": _text(reached or asked_at),
    }
    if told.error is not None:
        data["error"] = {"code": told.error.code, "message": told.error.message}
    body = {
        "account_id": account_id,
        "event_type": EVENT_TYPE,
        "event_time": _text(asked_at),
        "data": {name: value for name, value in data.items() if value is not None},
    }
    return json.dumps(body).encode()


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
