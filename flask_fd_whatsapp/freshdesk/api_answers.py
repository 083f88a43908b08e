"""Interprets answers of the API: a result, or the error that says what to do.

Errors are returned, not raised: the caller raises them, or calls again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from ..events import DeliveryError, Status
from .api_errors import (
    FieldError,
    FreshdeskAPIError,
    MessageNotFound,
    NotAllowed,
    RateLimited,
    Refused,
    SendUnknown,
    Unreachable,
    UnusableAnswer,
)
from .https_calls import Answer, NoAnswer
from .outbound_message import OutboundMessage, Sent

UNREADABLE_PAUSE: Final = 60.0
LONGEST_PAUSE: Final = 120.0

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_ID: Final = 255
_SECONDS: Final = re.compile(r"[0-9]{1,9}(?:\.[0-9]*)?")


class Allowance(NamedTuple):
    """The account's rate limit, as reported by ``X-RateLimit-Total`` and ``-Remaining``."""

    total: int
    remaining: int

    @property
    def is_low(self) -> bool:
        """Whether less than a fifth is left."""
        return self.remaining * 5 < self.total


def read_sent(answer: Answer | NoAnswer, reference: str) -> Sent | FreshdeskAPIError:
    """Interpret the answer to a POST: *not sent* only if that is certain."""
    if isinstance(answer, NoAnswer):
        if answer.went_out:
            return SendUnknown(reference, answer.reason)
        return Unreachable(answer.reason)
    if 300 <= answer.status < 500:
        return _refusal(answer)
    told = _object(answer.body) if 200 <= answer.status < 300 else None
    if told is None:
        return SendUnknown(reference, f"the answer ({answer.status}) does not say")
    if told.get("success") is False:
        return _refusal(answer)
    message_id = told.get("message_id")
    if not isinstance(message_id, str) or not _is_id(message_id):
        return SendUnknown(reference, f"the answer ({answer.status}) has no message_id")
    return Sent(message_id, reference)


def read_message(answer: Answer | NoAnswer, message_id: str) -> OutboundMessage | FreshdeskAPIError:
    """Interpret the answer to a GET of a message."""
    if isinstance(answer, NoAnswer):
        return Unreachable(answer.reason)
    if answer.status == 404:
        return MessageNotFound(message_id)
    if 300 <= answer.status < 500:
        return _refusal(answer)
    told = _object(answer.body) if 200 <= answer.status < 300 else None
    if told is None:
        return UnusableAnswer(answer.status, "it is not a JSON object")
    if told.get("message_id", message_id) != message_id:
        return UnusableAnswer(answer.status, "it is about another message")
    status = told.get("status")
    if not isinstance(status, str) or not status.strip():
        return UnusableAnswer(answer.status, "it has no status")
    error = DeliveryError(_text(told.get("error_code")), _text(told.get("error_message")))
    return OutboundMessage(
        message_id=message_id,
        status=_status(status.strip()),
        created_at=_moment(told.get("created_on")),
        external_reference_id=_text(told.get("external_reference_id")),
        error=None if error == DeliveryError() else error,
    )


def read_pause(headers: Mapping[str, str]) -> float:
    """Parse ``Retry-After`` into seconds, from 1 to 120; 60 if it is not readable.

    A date is not parsed, since it depends on a clock that may be wrong.
    """
    text = headers.get("Retry-After", "").strip()
    if not _SECONDS.fullmatch(text):
        return UNREADABLE_PAUSE
    return min(max(float(text), 1.0), LONGEST_PAUSE)


def read_allowance(headers: Mapping[str, str]) -> Allowance | None:
    """Return the rate limit that an answer reports."""
    told = [headers.get(f"X-RateLimit-{name}", "") for name in ("Total", "Remaining")]
    if all(re.fullmatch("[0-9]{1,9}", text) for text in told):
        return Allowance(int(told[0]), int(told[1]))
    return None


def _refusal(answer: Answer) -> FreshdeskAPIError:
    """Interpret a redirect, a 4xx answer, or ``success: false``."""
    if answer.status == 429:
        return RateLimited(read_pause(answer.headers))
    told = _object(answer.body) or {}
    code = _text(told.get("code"))
    if answer.status in (401, 403):
        return NotAllowed(code)
    listed = told.get("errors")
    errors = [
        FieldError(_text(one.get("field")), _text(one.get("code")), _text(one.get("message")))
        for one in (listed if isinstance(listed, list) else [])
        if isinstance(one, dict)
    ]
    said = _text(told.get("message")) or _text(told.get("description"))
    if not errors and (code or said):
        errors = [FieldError(None, code, said)]
    return Refused(answer.status, errors)


def _object(body: bytes) -> dict[str, Any] | None:
    """Return the JSON object of a body; ``None`` for anything else, such as a proxy's page."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _is_id(value: str) -> bool:
    return 0 < len(value) <= _LONGEST_ID and value.isprintable()


def _status(text: str) -> Status | str:
    return Status(text.upper()) if text.upper() in Status.__members__ else text


def _text(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    return str(value) or None


def _moment(milliseconds: object) -> datetime | None:
    """Convert milliseconds since 1970 into a moment in UTC."""
    if isinstance(milliseconds, str) and re.fullmatch("[0-9]{1,18}", milliseconds):
        milliseconds = int(milliseconds)
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, (int, float)):
        return None
    try:
        return _EPOCH + timedelta(milliseconds=milliseconds)
    except (OverflowError, ValueError):
        return None
