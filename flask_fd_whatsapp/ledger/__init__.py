"""What has been seen: the protocol of a ledger, and the one in memory."""

from .base import (
    Backlog,
    Claim,
    Entry,
    Event,
    Ledger,
    Message,
    Policy,
    Quarantined,
    Recorded,
    State,
    Tried,
)
from .current import current_ledger
from .memory import MemoryLedger

__all__ = [
    "Backlog",
    "Claim",
    "Entry",
    "Event",
    "Ledger",
    "MemoryLedger",
    "Message",
    "Policy",
    "Quarantined",
    "Recorded",
    "State",
    "Tried",
    "current_ledger",
]
