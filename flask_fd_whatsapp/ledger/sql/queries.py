"""What can be asked of the ledger in a database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final, Unpack

from sqlalchemy import ColumnElement, RowMapping, Select, Table, case, false, func, select

from ...events import DeliveryError, Status, is_ahead
from ...exceptions import AmbiguousMessage
from ..filters import EventFilter, given
from ..references import KeptReference, is_storable, storable
from ..views import Event, Message, State
from .database import CLOCKS_DIFFER, Database
from .tables import event, handling, message

_TIMES: Final = {status: message.c[f"{status.lower()}_at"] for status in Status}

_STATES: Final[Mapping[State, ColumnElement[bool]]] = {
    State.PENDING: event.c.due_at.is_not(None),
    State.DEAD: event.c.dead_at.is_not(None),
    State.DONE: event.c.due_at.is_(None) & event.c.dead_at.is_(None),
}

_EQUAL: Final[Mapping[str, ColumnElement[str | None]]] = {
    "status": event.c.status,
    "account_id": message.c.account_id,
    "message_id": message.c.message_id,
}

_REFERENCE: Final = func.coalesce(message.c.reference_text, message.c.external_reference_id)

_EVENTS: Final = select(
    event.c.id,
    message.c.account_id,
    message.c.message_id,
    event.c.status,
    event.c.timestamp,
    event.c.received_at,
    event.c.receiver,
    event.c.is_stale,
    event.c.attempts,
    func.coalesce(event.c.postponed, 0).label("postponed"),
    event.c.last_error,
    event.c.due_at,
    _REFERENCE.label("external_reference_id"),
    message.c.campaign,
    message.c.status.label("furthest"),
    case(
        (_STATES[State.PENDING], State.PENDING.value),
        (_STATES[State.DEAD], State.DEAD.value),
        else_=State.DONE.value,
    ).label("state"),
).join_from(event, message)


def came_to(receiver: str, table: Table, database: Database) -> ColumnElement[bool]:
    """Whether a row of *table* came to *receiver*, where something else finds the few it may be.

    SQLite keeps no statistics, and would rather take an index that begins with the receiver, of
    which there are few.
    """
    condition: ColumnElement[bool] = table.c.receiver == receiver
    return func.likely(condition) if database.is_sqlite else condition


def is_free(now: Any) -> ColumnElement[bool]:
    """Whether nobody is handling a message."""
    is_over: ColumnElement[bool] = message.c.claim_until <= now
    if isinstance(now, datetime):
        # SQLite's: a claim of later than that is of a clock that was ahead.
        is_over |= func.coalesce(message.c.claimed_at, now) > now + CLOCKS_DIFFER
    return message.c.claim_token.is_(None) | is_over


class Queries:
    """The part of :class:`SQLLedger` that answers questions."""

    @property
    def database(self) -> Database:
        """The database, its tables being up to date."""
        raise NotImplementedError

    def message(self, message_id: str, account_id: str | None = None) -> Message | None:
        """One message, ``None`` if it is unknown."""
        if not (is_storable(message_id) and is_storable(account_id)):
            return None
        query = select(message).where(message.c.message_id == message_id)
        if account_id is not None:
            query = query.where(message.c.account_id == account_id)
        found = self._messages(query.limit(2))
        if len(found) > 1:
            raise AmbiguousMessage(
                f"Message {message_id} is known of several accounts: give account_id, such as "
                f"{found[0].account_id}."
            )
        return found[0] if found else None

    def messages(self, *, external_reference_id: str) -> list[Message]:
        """The messages sent with this reference, in the order they were first heard of."""
        has_it = _has_reference(external_reference_id)
        return self._messages(select(message).where(has_it).order_by(message.c.id))

    def _messages(self, query: Select[Any]) -> list[Message]:
        with self.database.querying() as connection:
            rows = connection.execute(query).mappings().all()
            unknown = connection.execute(
                select(event.c.message_key, event.c.status, event.c.timestamp).where(
                    event.c.message_key.in_([row["id"] for row in rows]),
                    event.c.status.not_in(list(Status)),
                )
            ).all()
        return [
            _message(row, {status: moment for key, status, moment in unknown if key == row["id"]})
            for row in rows
        ]

    def events(self, **wanted: Unpack[EventFilter]) -> list[Event]:
        """Events that meet every condition given, newest first."""
        conditions = given(wanted)
        # Of a million events few are pending or dead: not the primary key's order finds them,
        # but their index.
        are_many = conditions.get("state", State.DONE) is State.DONE
        place = event.c.id if are_many else event.c.id + 0
        query = _EVENTS.where(*_met(conditions, place, self.database))
        query = query.order_by(place if "after" in conditions else place.desc())
        with self.database.querying(patiently=True) as connection:
            rows = connection.execute(query.limit(conditions["limit"])).mappings().all()
        return [_event(row) for row in rows]

    def counts(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        campaign: str | None = None,
    ) -> dict[str, int]:
        """How many messages are at each status."""
        query = select(message.c.status, func.count()).group_by(message.c.status)
        query = query.where(message.c.status.is_not(None))
        if since is not None:
            query = query.where(message.c.first_seen >= since)
        if until is not None:
            query = query.where(message.c.first_seen < until)
        if campaign is not None:
            query = query.where(message.c.campaign == storable(campaign))
        with self.database.querying(patiently=True) as connection:
            found = {row[0]: row[1] for row in connection.execute(query)}
        return {status: found.get(status, 0) for status in Status}


def _met(
    conditions: Mapping[str, Any], place: ColumnElement[int], database: Database
) -> Iterator[ColumnElement[bool]]:
    """What *conditions* come to in SQL.

    :param place: the event's id, by which the result is ordered.
    """
    for name, value in conditions.items():
        if name == "campaign":
            yield message.c.campaign == storable(value)
        elif name in _EQUAL:
            yield _EQUAL[name] == value if is_storable(value) else false()
        elif name == "external_reference_id":
            yield _has_reference(value)
        elif name == "state":
            yield _STATES[value]
        elif name == "receiver":
            yield came_to(value, event, database) if is_storable(value) else false()
        elif name == "unhandled_by":
            is_handled = (handling.c.event_id == event.c.id) & (
                handling.c.handler == storable(value)
            )
            is_handled &= handling.c.gave_up.is_not(True)
            yield ~select(handling.c.handler).where(is_handled).exists()
        elif name == "since":
            yield event.c.received_at >= value
        elif name == "until":
            yield event.c.received_at < value
        elif name == "before":
            yield place < value
        elif name == "after":
            yield place > value


def _has_reference(reference: str) -> ColumnElement[bool]:
    """Whether a message was sent with *reference*, of whatever length that is."""
    key, text = KeptReference.of(reference)
    return (message.c.external_reference_id == key) & (message.c.reference_text == text)


def _event(row: RowMapping) -> Event:
    values: dict[str, Any] = {str(name): value for name, value in row.items()}
    furthest = values.pop("furthest")
    state, is_superseded = State(row["state"]), is_ahead(furthest, of=row["status"])
    return Event(**{**values, "state": state, "is_superseded": is_superseded})


def _message(row: RowMapping, unknown: Mapping[str, datetime]) -> Message:
    times: dict[str, datetime] = {
        status: row[column] for status, column in _TIMES.items() if row[column]
    }
    has_failed = row["error_code"] is not None or row["error_message"] is not None
    return Message(
        account_id=row["account_id"],
        message_id=row["message_id"],
        status=Status(row["status"]) if row["status"] else None,
        external_reference_id=row["reference_text"] or row["external_reference_id"],
        campaign=row["campaign"],
        times={**times, **unknown},
        error=DeliveryError(row["error_code"], row["error_message"]) if has_failed else None,
    )
