"""What has been seen: the protocol of a ledger, and the one in memory."""

from .base import Claim, Entry, Policy, Recorded, Tried, Unusable
from .current import current_ledger
from .filters import EventFilter
from .memory import MemoryLedger
from .protocol import Ledger
from .views import (
    Backlog,
    BeingHandled,
    Event,
    Message,
    Quarantined,
    Rejection,
    State,
    TokenUse,
    Upgraded,
)

__all__ = [
    "Backlog",
    "BeingHandled",
    "Claim",
    "Entry",
    "Event",
    "EventFilter",
    "Ledger",
    "MemoryLedger",
    "Message",
    "Policy",
    "Quarantined",
    "Recorded",
    "Rejection",
    "State",
    "TokenUse",
    "Tried",
    "Unusable",
    "Upgraded",
    "current_ledger",
]
