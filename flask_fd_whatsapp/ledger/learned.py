"""What a message takes from the first of its events that has it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from .records import Entry
from .references import storable

LEARNED: Final[Mapping[str, Callable[[Entry], Any]]] = {
    "campaign": lambda entry: storable(entry.campaign),
}
"""What an event provides, by column of ``fd_whatsapp_message`` and attribute of ``MemoryMessage``.
The first value that is not ``None`` stays."""
