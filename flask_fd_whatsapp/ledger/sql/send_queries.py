"""Queries of sends, in a database; nothing here writes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    and_,
    case,
    exists,
    func,
    or_,
    select,
)

from ..records import OneAccount
from ..references import storable
from ..send_records import (
    SENDING_SECONDS,
    Heard,
    Send,
    SendFilter,
    SendPlace,
    SendStanding,
    SendState,
    candidates_of,
    digest_of,
    state_at,
)
from .dialects.base import Database
from .event_pages import came_to, has_reference
from .tables import event, message, send

IS_ERASED: Final = (send.c.state == SendState.SENT) & send.c.message_id.is_(None)
"""Whether a send is erased; the previous version, without that state, sees it as sent."""

IS_KEPT: Final = case((send.c.message_id.is_not(None), ""), else_=send.c.state) != SendState.SENT
"""The opposite, in a form no index serves: nearly all match, yet MariaDB would use one."""

IS_SENT: Final = (send.c.state == SendState.SENT) & send.c.message_id.is_not(None)

MANY: Final = 1000
"""From this many messages without a status it is quicker to scan the sends."""


def listed(database: Database, wanted: SendFilter) -> list[Send]:
    """The sends that meet every condition, newest first."""
    query = select(send).where(*conditions_of(wanted, database)).limit(wanted.limit)
    if wanted.is_of_all:  # by the primary key
        query = query.order_by(send.c.id.desc())
    else:  # by the filter's index; all of them end with these columns
        if wanted.campaign is not None:
            query = query.order_by(send.c.campaign.desc())
        query = query.order_by(send.c.created_at.desc(), send.c.id.desc())
    if wanted.before is not None:
        query = query.where(_is_behind(wanted.before, by_key=wanted.is_of_all))
    with database.querying(patiently=True) as connection:
        now = database.read_clock(connection)
        if wanted.is_unheard:
            query = _led_by_silent_messages(connection, query)
        found = [send_of(row, now) for row in connection.execute(query).mappings()]
        return [_with_candidates(connection, one) for one in found]


def _is_behind(place: SendPlace, *, by_key: bool) -> ColumnElement[bool]:
    is_earlier: ColumnElement[bool] = send.c.id < place.id
    if by_key:
        return is_earlier
    is_older = send.c.created_at < place.created_at
    # Only this bound can use the index.
    return and_(send.c.created_at <= place.created_at, or_(is_older, is_earlier))


def _led_by_silent_messages(connection: Connection, query: Select[Any]) -> Select[Any]:
    """The same, starting from the messages without a status, unless there are too many."""
    silent = select(message.c.message_id).where(message.c.status.is_(None)).limit(MANY + 1)
    ids = connection.scalars(silent).all()
    return query if len(ids) > MANY else query.where(send.c.message_id.in_(ids))


def one_send(database: Database, send_id: int) -> Send | None:
    """The send of that id; ``None`` if there is none."""
    with database.querying() as connection:
        query = select(send).where(send.c.id == send_id)
        row = connection.execute(query).mappings().one_or_none()
        return None if row is None else send_of(row, database.read_clock(connection))


def standing(database: Database, receiver: str, account: OneAccount | None) -> SendStanding:
    """The state of a receiver's sends, or of those of one of its accounts."""
    its = send.c.receiver == receiver
    came = (
        select(event.c.received_at)
        .where(event.c.receiver == receiver, event.c.source.is_(None))
        .order_by(event.c.received_at.desc())
        .limit(1)
    )
    if account is not None:
        its &= send.c.account.in_(account.ids)
        of_account = select(message.c.id).where(message.c.account_id.in_(account.ids))
        # By the account's own messages: others may have millions of later events.
        came = select(func.max(event.c.received_at)).where(
            event.c.message_key.in_(of_account),
            event.c.source.is_(None),
            came_to(receiver, event, database),
        )
    of_unknown = select(func.count()).select_from(send).where(is_unknown(database), its)
    since = select(send.c.created_at).where(its, IS_SENT).order_by(send.c.created_at).limit(1)
    with database.querying(patiently=True) as connection:
        last = connection.scalar(came)
        if last is not None:
            since = since.where(send.c.created_at > last)
        return SendStanding(connection.scalar(of_unknown) or 0, connection.scalar(since))


def conditions_of(wanted: SendFilter, database: Database) -> Iterator[ColumnElement[bool]]:
    """The conditions on a send."""
    if wanted.external_reference_id is not None:
        yield send.c.reference_digest == digest_of(wanted.external_reference_id)
    if wanted.receiver is not None:
        # Not by its index: the order, or another condition, has a better one.
        yield func.coalesce(send.c.receiver, "") == wanted.receiver
    if wanted.account_id is not None:
        yield send.c.account == storable(wanted.account_id)
    if wanted.campaign is not None:
        yield database.leads(send.c.campaign, storable(wanted.campaign))
    if wanted.state is SendState.UNKNOWN:
        yield is_unknown(database)
    elif wanted.state is SendState.SENDING:
        yield (send.c.state == wanted.state) & ~is_unknown(database)
    elif wanted.state is SendState.SENT:
        yield IS_SENT
    elif wanted.state is SendState.ERASED:
        yield IS_ERASED
    elif wanted.state is not None:
        yield send.c.state == wanted.state
    else:
        yield IS_KEPT
    if wanted.is_unheard:
        its = message.c.message_id == send.c.message_id
        is_account = message.c.account_id == send.c.account
        heard = exists().where(its, is_account, event.c.message_key == message.c.id)
        yield IS_SENT & ~heard


def is_unknown(database: Database) -> ColumnElement[bool]:
    """Whether a send's outcome is unknown, and no process is about to learn it."""
    is_late = send.c.created_at < database.now(after=-SENDING_SECONDS)
    return and_(
        send.c.state.in_((SendState.SENDING, SendState.UNKNOWN)),  # can use an index
        send.c.settled_at.is_(None),
        or_(send.c.state == SendState.UNKNOWN, is_late),
    )


def free_messages(connection: Connection, account: str, reference: str) -> Sequence[Heard]:
    """The messages with a reference that belong to no send."""
    with_it = select(message.c.message_id, message.c.first_seen).where(
        message.c.account_id == account, has_reference(reference)
    )
    heard = [Heard(*row) for row in connection.execute(with_it)]
    ids = [one.message_id for one in heard]
    taken = select(send.c.message_id).where(send.c.account == account, send.c.message_id.in_(ids))
    others = set(connection.scalars(taken)) if ids else set()
    return [one for one in heard if one.message_id not in others]


def _with_candidates(connection: Connection, one: Send) -> Send:
    if one.state is not SendState.UNKNOWN:
        return one
    free = free_messages(connection, one.account_id, one.external_reference_id)
    return replace(one, candidates=candidates_of(one, free))


def send_of(row: RowMapping, now: datetime) -> Send:
    """A row, as the ledger returns it."""
    state = state_at(row["state"], row["created_at"], now)
    if state is SendState.SENT and row["message_id"] is None:  # see IS_ERASED
        state = SendState.ERASED
    return Send(
        id=row["id"],
        receiver=row["receiver"],
        account_id=row["account"],
        external_reference_id=row["reference"],
        campaign=row["campaign"],
        template=row["template"],
        language=row["language"],
        state=state,
        message_id=row["message_id"],
        error=row["error"],
        created_at=row["created_at"],
        settled_at=row["settled_at"],
    )
