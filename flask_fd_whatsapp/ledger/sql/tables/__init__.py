"""The ledger's tables, by what they are about."""

from __future__ import annotations

from .api_tables import rate, reconciliation, send
from .message_tables import TIME_COLUMNS, event, handler_error, handling, message
from .pruned_tables import aggregate, forgotten
from .receiver_tables import drift, duplicate, quarantine, rejection, replay, token_use
from .table_metadata import compatibility, include_object, metadata

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
