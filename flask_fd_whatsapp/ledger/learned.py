"""What a message takes from whichever of its events has it first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from .records import Entry
from .references import storable

LEARNED: Final[Mapping[str, Callable[[Entry], Any]]] = {
    "campaign": lambda entry: storable(entry.campaign),
}
"""By column of ``fd_whatsapp_message``, and attribute of a message in memory: what an event gives,
``None`` if it has nothing of the kind.  The first value that is not ``None`` stays."""
