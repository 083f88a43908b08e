"""An event that was recorded before, and what is done about it."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from ...events import Status, is_ahead
from ..base import Claim, Recorded
from ..views import State


class Found(NamedTuple):
    """A row of the statements ``find`` and ``find_by_id``."""

    event_id: int
    message_key: int
    attempts: int
    is_due: bool
    is_dead: bool
    body: str
    headers: str
    previous_status: str | None
    is_stale: bool
    message_status: str | None
    reference: str | None
    campaign: str | None
    last_seen: Any
    status: str
    is_held: bool

    @property
    def state(self) -> State:
        """What has become of the event."""
        return State.PENDING if self.is_due else State.DEAD if self.is_dead else State.DONE

    def recorded(
        self,
        claim: Claim | None = None,
        succeeded: frozenset[str] = frozenset(),
    ) -> Recorded:
        """The event as the ledger gives it."""
        return Recorded(
            id=self.event_id,
            state=self.state,
            claim=claim,
            body=self.body,
            headers=json.loads(self.headers),
            previous_status=Status(self.previous_status) if self.previous_status else None,
            is_stale=bool(self.is_stale),
            external_reference_id=self.reference,
            campaign=self.campaign,
            succeeded=succeeded,
            superseded=is_ahead(self.message_status, of=self.status),
        )
