"""What has been seen: the protocol of a ledger, and the one in memory."""

from .base import Claim, Entry, Ledger, Policy, Recorded, Tried
from .current import current_ledger
from .memory import MemoryLedger
from .views import Backlog, Event, Message, Quarantined, State

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
