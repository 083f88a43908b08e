"""The ledger's tables, by what they are about."""

from __future__ import annotations

from .message_tables import (
    TIME_COLUMNS,
    aggregate,
    compatibility,
    drift,
    duplicate,
    event,
    forgotten,
    handler_error,
    handling,
    include_object,
    message,
    metadata,
    quarantine,
    rate,
    reconciliation,
    rejection,
    replay,
    send,
    token_use,
)

__all__ = [
    "TIME_COLUMNS",
    "aggregate",
    "compatibility",
    "drift",
    "duplicate",
    "event",
    "forgotten",
    "handler_error",
    "handling",
    "include_object",
    "message",
    "metadata",
    "quarantine",
    "rate",
    "reconciliation",
    "rejection",
    "replay",
    "send",
    "token_use",
]
