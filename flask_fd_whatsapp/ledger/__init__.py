"""What has been received and handled: the protocol of a ledger, and the in-memory ledger."""

from typing import TYPE_CHECKING

from .. import on_access
from .context import current_ledger

if TYPE_CHECKING:
    from .event_filter import EventFilter
    from .memory.memory_ledger import MemoryLedger
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
else:
    __getattr__, __dir__ = on_access.imported(
        __name__,
        {
            "event_filter": ["EventFilter"],
            "memory.memory_ledger": ["MemoryLedger"],
            "protocol": ["Ledger"],
            "records": ["Claim", "Entry", "Policy", "Recorded", "Tried", "Unusable"],
            "views": [
                "Backlog",
                "BeingHandled",
                "Event",
                "Message",
                "Quarantined",
                "Rejection",
                "State",
                "TokenUse",
                "Upgraded",
            ],
        },
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
