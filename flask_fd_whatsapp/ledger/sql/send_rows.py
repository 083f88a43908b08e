"""What was sent, in a database: kept from before it goes out, so that no crash loses it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    and_,
    case,
    exists,
    func,
    literal,
    or_,
    select,
    type_coerce,
    update,
)
from sqlalchemy.exc import IntegrityError

from ...exceptions import LedgerUnavailable
from ..references import KeptReference, storable
from ..send_records import (
    SENDING_SECONDS,
    Expected,
    Heard,
    Send,
    SendFilter,
    SendIntent,
    SendStanding,
    SendState,
    WithReference,
    candidates_of,
    digest_of,
    settlement,
    state_at,
)
from .column_types import UTCDateTime
from .dialects.base import Database
from .event_pages import has_reference
from .prepared import PreparedDatabase
from .tables import event, message, send

AT_ONCE: Final = 1000
"""How many unknown references are looked at when somebody asks."""

_MAX_TEMPLATE: Final = 512
_MAX_LANGUAGE: Final = 32


class SQLSendRecord:
    """Keeps what was sent, for :class:`SQLLedger`."""

    def __init__(self, prepared: PreparedDatabase) -> None:
        self._prepared = prepared

    def intend(self, intent: SendIntent) -> int | Send:
        """Write down what is about to be sent, in a transaction of its own."""
        database = self._prepared.database
        # A connection that has died while it was idle is found out before anything is written.
        database.retried(lambda: self._ask(database))
        digest = digest_of(intent.external_reference_id)
        values = {
            "receiver": intent.receiver,
            "account": intent.account_id,
            "reference": storable(intent.external_reference_id),
            "reference_digest": digest,
            "once_key": digest if intent.once else None,
            "campaign": storable(intent.campaign),
            **_template(intent.template, intent.language),
            "state": SendState.SENDING,
        }
        try:
            with database.writing() as connection:
                earlier = self._earlier(connection, intent, digest) if intent.once else None
                if earlier is None:
                    added = send.insert().values(**values, created_at=database.now())
                    key = connection.execute(added).inserted_primary_key
                    assert key is not None
                    return int(key[0])
        except LedgerUnavailable as error:
            if not (intent.once and isinstance(error.__cause__, IntegrityError)):
                raise
            with database.querying() as connection:  # another was quicker
                earlier = self._earlier(connection, intent, digest)
            if earlier is None:  # and has released it already
                return self.intend(intent)
        return self._one(earlier)

    def _ask(self, database: Database) -> datetime:
        with database.querying() as connection:
            return _now(connection, database)

    def _earlier(self, connection: Connection, intent: SendIntent, digest: str) -> int | None:
        uses = send.c.state.not_in([state for state in SendState if state.releases])
        is_its = (send.c.receiver == intent.receiver) & (send.c.reference_digest == digest)
        found: int | None = connection.scalar(
            select(send.c.id).where(is_its, uses).order_by(send.c.id).limit(1)
        )
        return found

    def _one(self, send_id: int) -> Send:
        self.settle()
        database = self._prepared.database
        with database.querying() as connection:
            row = connection.execute(select(send).where(send.c.id == send_id)).mappings().one()
            return _send(row, _now(connection, database))

    def sent(self, send_id: int, message_id: str) -> None:
        """Keep the id of what was sent, and its message, together; it beats what was settled."""
        self._prepared.database.retried(lambda: self._sent(send_id, message_id))

    def _sent(self, send_id: int, message_id: str) -> None:
        database = self._prepared.database
        with database.writing() as connection:
            its = send.c.id == send_id
            connection.execute(update(send).where(its).values(**_settled(database, message_id)))
            row = connection.execute(select(send).where(its)).mappings().one_or_none()
            if row is not None:
                _store(connection, database, _expected(row, message_id))

    def failed(self, send_id: int, state: SendState, error: str) -> None:
        """Keep why it is refused, unsent or unknown; what is settled already stays."""
        database = self._prepared.database
        values = {
            "state": state,
            "error": storable(error),
            "settled_at": database.now() if state.is_settled else None,
        }
        if state.releases:
            values["once_key"] = None
        is_open = (send.c.id == send_id) & send.c.settled_at.is_(None)

        def write() -> None:
            with database.writing() as connection:
                connection.execute(update(send).where(is_open).values(values))

        database.retried(write)

    def close(self, send_id: int) -> bool:
        """Say of an unknown send that nothing was sent; whether it was unknown."""
        database = self._prepared.database
        closed = update(send).where(send.c.id == send_id, _is_unknown(database))

        def write() -> bool:
            with database.writing() as connection:
                values = {
                    "state": SendState.UNSENT,
                    "once_key": None,
                    "settled_at": database.now(),
                }
                return connection.execute(closed.values(values)).rowcount == 1

        return database.retried(write)

    def expect(self, expected: Expected) -> None:
        """Store the message of a send that was made elsewhere."""
        database = self._prepared.database

        def write() -> None:
            with database.writing() as connection:
                _store(connection, database, expected)

        database.retried(write)

    def listed(self, wanted: SendFilter) -> list[Send]:
        """The sends that meet every condition, newest first; settles those it can."""
        self.settle()
        database = self._prepared.database
        query = select(send).order_by(send.c.id.desc()).limit(wanted.limit)
        query = query.where(*conditions_of(wanted, database))
        with database.querying(patiently=True) as connection:
            now = _now(connection, database)
            found = [_send(row, now) for row in connection.execute(query).mappings()]
            return [_with_candidates(connection, one) for one in found]

    def settle(self) -> int:
        """Settle the unknown sends that the rule allows; gives how many."""
        database = self._prepared.database
        unknown = (
            select(send.c.account, send.c.reference_digest, func.max(send.c.id))
            .where(_is_unknown(database))
            .group_by(send.c.account, send.c.reference_digest)
            .limit(AT_ONCE)
        )
        count = 0
        with database.querying() as connection:
            references = connection.execute(unknown).all()
        for account, digest, newest in references:
            with database.querying() as connection:
                found = settlement(_with_reference(connection, database, account, digest, newest))
            if found is not None:
                count += database.retried(lambda found=found: self._settle(*found))  # type: ignore[misc]
        return count

    def _settle(self, one: Send, message_id: str) -> int:
        database = self._prepared.database
        with database.writing() as connection:
            is_open = (send.c.id == one.id) & send.c.settled_at.is_(None)
            values = _settled(database, message_id)
            count = connection.execute(update(send).where(is_open).values(**values)).rowcount
            if count:
                row = connection.execute(select(send).where(send.c.id == one.id)).mappings().one()
                _store(connection, database, _expected(row, message_id))
            return count

    def standing(self, receiver: str) -> SendStanding:
        """How a receiver's sends stand; settles those it can."""
        self.settle()
        database = self._prepared.database
        its = send.c.receiver == receiver
        of_unknown = select(func.count()).select_from(send).where(_is_unknown(database), its)
        came = (
            select(event.c.received_at)
            .where(event.c.receiver == receiver, event.c.source.is_(None))
            .order_by(event.c.received_at.desc())
            .limit(1)
        )
        since = (
            select(send.c.created_at)
            .where(its, send.c.state == SendState.SENT)
            .order_by(send.c.created_at)
            .limit(1)
        )
        with database.querying(patiently=True) as connection:
            last = connection.scalar(came)
            if last is not None:
                since = since.where(send.c.created_at > last)
            return SendStanding(connection.scalar(of_unknown) or 0, connection.scalar(since))


def conditions_of(wanted: SendFilter, database: Database) -> Iterator[ColumnElement[bool]]:
    """What a send has to meet."""
    if wanted.external_reference_id is not None:
        yield send.c.reference_digest == digest_of(wanted.external_reference_id)
    if wanted.receiver is not None:
        yield send.c.receiver == wanted.receiver
    if wanted.campaign is not None:
        yield send.c.campaign == storable(wanted.campaign)
    if wanted.state is SendState.UNKNOWN:
        yield _is_unknown(database)
    elif wanted.state is SendState.SENDING:
        yield (send.c.state == wanted.state) & ~_is_unknown(database)
    elif wanted.state is not None:
        yield send.c.state == wanted.state
    if wanted.is_unheard:
        its = message.c.message_id == send.c.message_id
        is_account = message.c.account_id == send.c.account
        heard = exists().where(its, is_account, event.c.message_key == message.c.id)
        yield (send.c.state == SendState.SENT) & ~heard


def _template(name: str | None, language: str | None) -> dict[str, str | None]:
    return {
        "template": name and (storable(name) or "")[:_MAX_TEMPLATE],
        "language": language and (storable(language) or "")[:_MAX_LANGUAGE],
    }


def _now(connection: Connection, database: Database) -> datetime:
    now: datetime | None = connection.scalar(select(type_coerce(database.now(), UTCDateTime)))
    assert now is not None
    return now


def _is_unknown(database: Database) -> ColumnElement[bool]:
    """Whether nobody knows what became of a send, nor is about to."""
    is_late = send.c.created_at < database.now(after=-SENDING_SECONDS)
    return and_(send.c.settled_at.is_(None), or_(send.c.state == SendState.UNKNOWN, is_late))


def _settled(database: Database, message_id: str) -> dict[str, Any]:
    return {
        "state": SendState.SENT,
        "message_id": message_id,
        "settled_at": database.now(),
        "error": None,
    }


def _expected(row: RowMapping, message_id: str) -> Expected:
    return Expected(
        account_id=row["account"],
        message_id=message_id,
        external_reference_id=row["reference"],
        campaign=row["campaign"],
        template=row["template"],
        language=row["language"],
        sent_at=row["created_at"],
        receiver=row["receiver"],
    )


def _store(connection: Connection, database: Database, expected: Expected) -> None:
    """Add the message's row, or what its row lacks."""
    given = expected.external_reference_id
    reference = KeptReference.of(given) if given else None
    lacking = {
        "external_reference_id": reference and reference.key,
        "campaign": storable(expected.campaign),
        **_template(expected.template, expected.language),
        "expected_at": expected.sent_at or _now(connection, database),
        "receiver": expected.receiver,
    }
    known: dict[str, Any] = {
        name: func.coalesce(column := message.c[name], literal(value, column.type))
        for name, value in lacking.items()
    }
    known["sent_on"] = func.coalesce(message.c.queued_at, known["expected_at"])
    text = None
    if reference is not None and reference.text is not None:
        text, its = reference.text, message.c.external_reference_id
        # MariaDB may have set that column already, the others have not.
        is_its = its.is_(None) | (its == reference.key)
        known["reference_text"] = case(
            (is_its, func.coalesce(message.c.reference_text, text)),
            else_=message.c.reference_text,
        )
    key = {"account_id": expected.account_id, "message_id": expected.message_id}
    now = database.now()
    first = {
        **lacking,
        "reference_text": text,
        "first_seen": now,
        "last_seen": now,
        "sent_on": lacking["expected_at"],
    }
    connection.execute(database.upsert(message, key, first, known))


def _with_reference(
    connection: Connection, database: Database, account: str, digest: str, newest: int
) -> WithReference:
    """What is known of a reference, in the order that :class:`WithReference` asks for."""
    reference: str | None = connection.scalar(select(send.c.reference).where(send.c.id == newest))
    free = _free_messages(connection, account, reference or "")
    now = _now(connection, database)
    query = select(send).where(send.c.account == account, send.c.reference_digest == digest)
    rows = connection.execute(query).mappings()
    return WithReference(free, [_send(row, now) for row in rows], now)


def _free_messages(connection: Connection, account: str, reference: str) -> Sequence[Heard]:
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
    free = _free_messages(connection, one.account_id, one.external_reference_id)
    return replace(one, candidates=candidates_of(one, free))


def _send(row: RowMapping, now: datetime) -> Send:
    return Send(
        id=row["id"],
        receiver=row["receiver"],
        account_id=row["account"],
        external_reference_id=row["reference"],
        campaign=row["campaign"],
        template=row["template"],
        language=row["language"],
        state=state_at(row["state"], row["created_at"], now),
        message_id=row["message_id"],
        error=row["error"],
        created_at=row["created_at"],
        settled_at=row["settled_at"],
    )
