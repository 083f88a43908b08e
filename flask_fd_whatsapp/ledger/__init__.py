"""What has been received and handled: the protocol of a ledger, and the in-memory ledger."""

from typing import TYPE_CHECKING, Any

from .context import current_ledger
from .event_filter import EventFilter
from .protocol import Ledger
from .records import Claim, Entry, Policy, Recorded, Tried, Unusable
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

if TYPE_CHECKING:
    from .memory.memory_ledger import MemoryLedger
else:

    def __getattr__(name: str) -> Any:
        """Import the in-memory ledger on access: in production it is rarely used."""
        if name == "MemoryLedger":
            from .memory.memory_ledger import MemoryLedger

            return MemoryLedger
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


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
