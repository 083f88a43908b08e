"""Drift: what was seen in payloads that the schema does not know.

A change to Freshdesk's payload is an entry in this list instead of a surprise.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

MOST: Final = 200
"""How many entries are kept per receiver; beyond that the least recently seen is evicted."""


class DriftKind(StrEnum):
    """The kind of an unknown part."""

    FIELD = "field"
    TYPE = "type"
    STATUS = "status"
    EVENT_TYPE = "event type"
    VERSION = "version"
    ERROR_CODE = "error code"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """An unknown part of payloads that was seen.

    :param place: its position in the payload, such as ``data.status``.
    :param found: what was there: a value that is a word or a number of an enumeration, or, for
        fields and types, the name of the JSON type. Never a value that may be personal data.
    :param count: how often it was seen; when recording, how many to add.
    :param first_seen: when it was first seen (UTC).
    :param last_seen: when it was last seen (UTC), within a minute.
    :param example: the id of a message with an event that has it, as long as the ledger has that
        message.
    """

    receiver: str
    kind: DriftKind
    place: str
    found: str
    count: int
    first_seen: datetime
    last_seen: datetime
    example: str | None = None

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Return its identity."""
        return (self.receiver, self.kind.value, self.place, self.found)


class DriftRecord(Protocol):
    """Records unknown parts of payloads."""

    def note(self, drifts: Collection[Drift]) -> None:
        """Add to what was seen; of examples, only messages that are in the ledger."""
        ...

    def seen(self, *, receiver: str | None = None) -> list[Drift]:
        """Return what was seen by all receivers (or this one), newest first."""
        ...
