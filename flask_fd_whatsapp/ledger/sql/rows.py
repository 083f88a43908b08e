"""Conversions between the tables' rows and the ledger's objects."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from ...events import WEBHOOK, DeliveryError, Status, is_ahead, rank_of
from ..forgotten import digest_of
from ..learned import LEARNED
from ..records import Claim, Entry, Recorded
from ..references import KeptReference, storable
from ..views import State
from .statement_parameters import Statement
from .tables import TIME_COLUMNS


class Inserted(NamedTuple):
    """What recording an event did to its message.

    :param previous_status: the message's status before.
    :param holder: the token of the claim on it.
    :param event_id: ``None`` if the event was there already.
    """

    key: int
    previous_status: str | None
    status: str | None
    reference: str | None
    campaign: str | None
    holder: str | None
    event_id: int | None

    def is_stale(self, status: str) -> bool:
        """Whether an event of *status* did not move the message forward."""
        is_known = rank_of(status) is not None
        return is_known and (self.status != status or self.previous_status == status)


class Handled(NamedTuple):
    """A handler that is not to be called again."""

    handler: str
    is_superseded: bool


class Found(NamedTuple):
    """A row of the statements ``find`` and ``find_by_id``.

    :param handlers: those not to be called again, if the event is claimed.
    :param gave_up: which of them gave up.
    """

    event_id: int
    message_key: int
    attempts: int
    is_pending: bool
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
    error_code: str | None
    error_message: str | None
    due_at: Any
    is_due: bool
    postponed: int
    source: str | None
    handlers: frozenset[str] = frozenset()
    gave_up: frozenset[str] = frozenset()

    def lacks(self, error: DeliveryError | None) -> bool:
        """Whether *error* adds to what is known of why the message failed."""
        if error is None or self.error_message is not None:
            return False
        return error.message is not None or (error.code is not None and self.error_code is None)

    def settled_by(self, handlers: Iterable[tuple[str, bool]]) -> Found:
        """The same with the handlers not to be called again, and whether each gave up."""
        gave_up = dict(handlers)
        return self._replace(
            handlers=frozenset(gave_up),
            gave_up=frozenset(name for name in gave_up if gave_up[name]),
        )

    @property
    def state(self) -> State:
        """The event's state."""
        return State.PENDING if self.is_pending else State.DEAD if self.is_dead else State.DONE

    def recorded(
        self,
        claim: Claim | None = None,
        succeeded: frozenset[str] = frozenset(),
        attempt: int = 1,
    ) -> Recorded:
        """The event as the ledger returns it."""
        has_reason = self.error_code is not None or self.error_message is not None
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
            error=DeliveryError(self.error_code, self.error_message) if has_reason else None,
            succeeded=succeeded,
            attempt=attempt,
            postponed=self.postponed,
            superseded=is_ahead(self.message_status, of=self.status),
            source=self.source or WEBHOOK,
        )


def found_by(cursor: Any, statement: Statement, parameters: Mapping[str, Any]) -> Found | None:
    """The event that a statement finds."""
    statement.execute(cursor, parameters)
    row = cursor.fetchone()
    return None if row is None else Found(*row)


_NONE: Final[dict[str, Any]] = {
    **dict.fromkeys(TIME_COLUMNS.values()),
    "known_status": None,
    "rank": None,
    "error_code": None,
    "error_message": None,
}


def values_of(entry: Entry, moment: Callable[[datetime], Any]) -> dict[str, Any]:
    """*entry* as parameters of the statements that record it, its event's message included.

    :param moment: converts a UTC time for the driver.
    """
    event = entry.event
    timestamp = moment(event.timestamp)
    given = event.external_reference_id
    reference = KeptReference.of(given) if given else None
    values = {
        **_NONE,
        "account_id": event.account_id,
        "message_id": event.message_id,
        "status": str(event.status),
        "timestamp": timestamp,
        "receiver": entry.receiver,
        "payload": entry.body,
        "headers": json.dumps(dict(entry.headers)) if entry.headers else "{}",
        "reference": reference and reference.key,
        "reference_text": reference and reference.text,
        **{column: given_by(entry) for column, given_by in LEARNED.items()},
        "digest": digest_of(event.account_id, event.message_id),
    }
    rank = rank_of(event.status)
    if rank is not None:
        values["known_status"] = values["status"]
        values["rank"] = rank
        if event.status in TIME_COLUMNS:
            values[TIME_COLUMNS[event.status]] = timestamp
    if event.error is not None and event.status == Status.FAILED:
        values["error_code"] = storable(event.error.code)
        values["error_message"] = storable(event.error.message)
    return values
