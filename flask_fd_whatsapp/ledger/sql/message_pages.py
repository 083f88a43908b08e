"""Messages page by page, and the details of one, in a database."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, exists, false, func, or_, select

from ...events import Status
from ..listing import UNHEARD, EventDetail, Handling, ListedMessage, MessageFilter, Place, told
from ..references import KeptReference, is_storable, storable
from .dialects.base import Database
from .prepared import PreparedDatabase
from .queries import unknown_times, view_of_message
from .tables import event, handler_error, handling, message

_LAST: Final = "\U0010ffff"


class SQLBrowser:
    """Lists messages, for :class:`SQLLedger`."""

    def __init__(self, prepared: PreparedDatabase) -> None:
        self._prepared = prepared

    def page(
        self,
        wanted: MessageFilter,
        *,
        before: Place | None = None,
        after: Place | None = None,
        limit: int,
    ) -> list[ListedMessage]:
        """The messages that match *wanted*, latest sent first."""
        database = self._prepared.database
        with database.querying(patiently=True) as connection:
            sent_on = _sent_on(connection)
            query = select(message).where(*_met(wanted, sent_on, database)).limit(limit)
            order = [sent_on, message.c.id]
            if isinstance(wanted.campaign, str):  # the same for all: lets the index be used
                order.insert(0, message.c.campaign)
            if after is not None:
                query = query.where(_is_beyond(after, sent_on, is_later=True)).order_by(*order)
            else:
                if before is not None:
                    query = query.where(_is_beyond(before, sent_on, is_later=False))
                query = query.order_by(*(column.desc() for column in order))
            rows = connection.execute(query).mappings().all()
            # Messages with a known status show none of these, so their events are not queried.
            unknown = unknown_times(connection, [row["id"] for row in rows if not row["status"]])
        return [
            ListedMessage(
                place=Place(_place(row), row["id"]),
                message=view_of_message(row, unknown[row["id"]]),
            )
            for row in rows
        ]

    def details(self, message_id: str, account_id: str) -> list[EventDetail]:
        """The events of a message in the order they were recorded."""
        if not (is_storable(message_id) and is_storable(account_id)):
            return []
        of_message = (message.c.message_id == message_id) & (message.c.account_id == account_id)
        events = (
            select(event.c.id, event.c.payload, event.c.headers)
            .join_from(event, message)
            .where(of_message)
            .order_by(event.c.id)
        )
        handlers = (
            select(handling)
            .join_from(handling, event)
            .join(message)
            .where(of_message)
            .order_by(handling.c.handled_at, handling.c.handler)
        )
        errors = (
            select(handler_error)
            .join_from(handler_error, event)
            .join(message)
            .where(of_message)
            .order_by(handler_error.c.last_error_at, handler_error.c.handler)
        )
        done: defaultdict[int, list[Handling]] = defaultdict(list)
        failed: defaultdict[int, list[Handling]] = defaultdict(list)
        with self._prepared.database.querying() as connection:
            rows = connection.execute(events).all()
            for row in connection.execute(handlers).mappings():
                done[row["event_id"]].append(
                    Handling(
                        handler=row["handler"],
                        state="superseded"
                        if row["is_superseded"]
                        else "gave up"
                        if row["gave_up"]
                        else "done",
                        at=row["handled_at"],
                    )
                )
            for row in connection.execute(errors).mappings():
                failed[row["event_id"]].append(
                    Handling(
                        handler=row["handler"],
                        state=row["outcome"],
                        attempts=row["attempts"],
                        last_error=row["last_error"],
                        last_error_at=row["last_error_at"],
                    )
                )
        return [
            EventDetail(
                event_id=event_id,
                body=payload,
                headers=json.loads(headers),
                handlings=told(done[event_id], failed[event_id]),
            )
            for event_id, payload, headers in rows
        ]


def _place(row: RowMapping) -> datetime:
    moment: datetime = row["sent_on"] or row["queued_at"] or row["expected_at"] or row["first_seen"]
    return moment


def _sent_on(connection: Connection) -> ColumnElement[datetime]:
    """When a message was sent: the indexed column, if it is filled for all of them.

    The previous version leaves it NULL, until a report or ``prune`` fills it.
    """
    lacks = select(message.c.id).where(message.c.sent_on.is_(None)).limit(1)
    if connection.execute(lacks).first() is None:
        return message.c.sent_on
    return func.coalesce(
        message.c.sent_on, message.c.queued_at, message.c.expected_at, message.c.first_seen
    )


def _met(
    wanted: MessageFilter, sent_on: ColumnElement[datetime], database: Database
) -> Iterator[ColumnElement[bool]]:
    table = message.c
    if wanted.search is not None:
        yield _is_found(wanted.search, database)
    if wanted.status == UNHEARD:
        yield table.status.is_(None)
        yield ~exists().where(event.c.message_key == table.id)
    elif wanted.status is not None:
        yield table.status == wanted.status
    if wanted.campaign is None:
        yield table.campaign.is_(None)
    elif wanted.campaign is not ...:
        yield database.leads(table.campaign, storable(wanted.campaign))
    if wanted.account_id is not None:
        yield table.account_id == storable(wanted.account_id)
    if wanted.receiver is not None:
        heard = exists().where(
            event.c.message_key == table.id, event.c.receiver == storable(wanted.receiver)
        )
        yield or_(table.receiver == storable(wanted.receiver), heard)
    if wanted.failed is not None:
        yield table.failed_at.is_not(None) if wanted.failed else table.failed_at.is_(None)
    if wanted.codes is not None:
        codes = [storable(code) for code in wanted.codes if code is not None]
        has_code = table.error_code.in_(codes) if codes else false()
        without = table.error_code.is_(None) if None in wanted.codes else false()
        yield and_(table.failed_at.is_not(None), or_(has_code, without))
    if wanted.since is not None:
        yield sent_on >= wanted.since
    if wanted.until is not None:
        yield sent_on < wanted.until
    if wanted.stuck_since is not None:
        yield sent_on < wanted.stuck_since
        yield or_(table.status.is_(None), table.status.in_((Status.QUEUED, Status.SENT)))


def _is_found(search: str, database: Database) -> ColumnElement[bool]:
    """Whether the id matches, or the reference has this prefix: case-sensitive."""
    text = storable(search) or ""
    reference = message.c.external_reference_id
    if database.compares_bytes:  # a range, which can use the index
        begins = and_(reference >= text, reference < text + _LAST)
    else:
        begins = reference.startswith(text, autoescape=True)
    whole = KeptReference.of(search)
    return or_(message.c.message_id == text, begins, reference == whole.key)


def _is_beyond(
    place: Place, moment: ColumnElement[datetime], *, is_later: bool
) -> ColumnElement[bool]:
    key = message.c.id
    if is_later:
        past, beside = moment > place.sent_on, key > place.key
        bound = moment >= place.sent_on
    else:
        past, beside = moment < place.sent_on, key < place.key
        bound = moment <= place.sent_on
    # Only this bound can use the index.
    return and_(bound, or_(past, beside))
