"""What was seen in payloads that is not known here: the schema's drift.

The day Freshdesk changes its payload is a line in this list, and no surprise.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

MOST: Final = 200
"""What is kept of a receiver at most; beyond that the one that was not seen for longest goes."""


class DriftKind(StrEnum):
    """What it is that is not known."""

    FIELD = "field"
    TYPE = "type"
    STATUS = "status"
    EVENT_TYPE = "event type"
    VERSION = "version"
    ERROR_CODE = "error code"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """Something that is not known here, and was seen.

    :param place: where in the payload, such as ``data.status``.
    :param found: what was there: a value that is a word or a number of an enumeration, or, of
        fields and types, the name of the JSON type.  Never a value that may be about people.
    :param count: how often; where it is noted, how many are to be added.
    :param first_seen: when it came first (UTC).
    :param last_seen: when it came last (UTC), to within a minute.
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
        """What tells it from others."""
        return (self.receiver, self.kind.value, self.place, self.found)


class DriftRecord(Protocol):
    """Keeps what is not known and was seen."""

    def note(self, drifts: Collection[Drift]) -> None:
        """Add to what was seen; of examples, only messages that are in the ledger."""
        ...

    def seen(self, *, receiver: str | None = None) -> list[Drift]:
        """What was seen at every receiver (or this one), newest first."""
        ...
