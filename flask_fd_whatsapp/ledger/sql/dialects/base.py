"""The steps of handling an event in a database, common to all databases."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Final, TypeVar

from flask import Flask
from sqlalchemy import ColumnElement, Insert, Select, Table, func, select, type_coerce
from sqlalchemy.engine import URL, Connection, Engine

from ....engagement.facts import TEXT_TIMES
from ....exceptions import FreshdeskWhatsAppError
from ..column_types import UTCDateTime
from ..connections import Connections
from ..renewal_connection import RenewalConnection
from ..rows import Found, Handled, Inserted
from ..statement_parameters import Statement
from ..statements import Statements
from .table_changes import TableChanges

T = TypeVar("T")

CLOCKS_DIFFER: Final = timedelta(minutes=1)
"""How far a machine's clock may be set back before its earlier times count as wrong."""


class Database(Connections):
    """What the ledger needs from a database; subclasses define what differs."""

    dialects: ClassVar[tuple[str, ...]]
    """SQLAlchemy's names for it."""

    changes: ClassVar[TableChanges]
    """How migrations change its tables."""

    insert_into: ClassVar[Any]
    """SQLAlchemy's ``insert`` for it, where that has ``on_conflict_do_update``."""

    upgrades_at_first_use: ClassVar[bool] = False
    """Whether a ledger opened from a URL upgrades its tables automatically."""

    compares_bytes: ClassVar[bool] = False
    """Whether text sorts by its bytes, so that a prefix is one range."""

    has_one_writer: ClassVar[bool] = False
    """Whether an open write transaction keeps all others from writing."""

    conflict_ends_transaction = False
    """Whether a deadlock rolls its victim back entirely, and later statements start anew."""

    compacting: Sequence[str] = ()
    """The statements that reclaim the space of deleted rows."""

    compacts = ""
    """What they do, and whom they lock out."""

    backup_tool = ""
    """The command that backs it up, where :meth:`back_up` does not."""

    file: str | None = None
    """The path of its file, if it is one."""

    is_prepared = False
    """Whether the tables are known to be up to date."""

    report_times = TEXT_TIMES
    """The driver's format for the times of :meth:`report_time`."""

    aggregates_reports = False
    """Whether it counts messages faster than the accumulator."""

    measures_in_texts = False
    """Whether it puts many times into one text faster than its driver reads them."""

    reports_by_page = False
    """Whether a long read holds others up, so that reports are read page by page."""

    def __init__(self, engine: Engine, *, is_own: bool) -> None:
        super().__init__(engine, is_own=is_own)
        self.statements = self.new_statements()
        self._renewals = RenewalConnection(engine, self.time_out_attribute)

    @classmethod
    def new_statements(cls) -> Statements:
        """The statements that handle events, in its dialect."""
        raise NotImplementedError

    @classmethod
    def new_engine(cls, url: URL, app: Flask) -> Engine:
        """An engine used only by the ledger."""
        raise NotImplementedError

    @classmethod
    def warm_up(cls) -> None:
        """Import what :meth:`new_engine` does, except for the driver."""

    def step(self, work: Callable[[Any], T], *, is_durable: bool = True) -> T:
        """Do *work*, which calls one of the methods below with a cursor, in a transaction.

        :param is_durable: whether it has to survive a power cut, or a crash of the server.
        """
        with self.transaction() as cursor:
            return work(cursor)

    def is_seen(self, cursor: Any, values: Mapping[str, Any]) -> bool:
        """Whether the event was recorded before, where that is cheap to tell; else false."""
        return False

    def insert(self, cursor: Any, values: dict[str, Any]) -> Inserted:
        """Record an event and what it does to its message, and claim that if it is free.

        The message comes first, which locks its row, so that events of one message are
        serialised.
        """
        self.statements.upsert.execute(cursor, values)
        inserted = Inserted._make((*cursor.fetchone(), None))
        values = {
            **values,
            "message_key": inserted.key,
            "previous_status": inserted.previous_status,
            "is_stale": inserted.is_stale(values["status"]),
            "attempts": int(inserted.holder is not None and inserted.holder == values["token"]),
        }
        return inserted._replace(event_id=self._insert_event(cursor, values))

    def _insert_event(self, cursor: Any, values: Mapping[str, Any]) -> int | None:
        self.statements.insert_event.execute(cursor, values)
        row = cursor.fetchone()
        return int(row[0]) if row else None

    def stand_by(self) -> None:
        """Before a claim: let others go first, where taking turns is faster for all."""

    def step_aside(self) -> None:
        """After a batch of events: let others that stand by go on."""

    def claim_pending(self, values: Mapping[str, Any]) -> Found | None:
        """Claim a pending event's message and count the attempt, where few round trips can do it.

        :param values: the event's id, the token, the maximum of attempts, and the times.
        :return: the event as it was, and its settled handlers; ``None``, without a change, if it
            cannot be claimed, or not this way.
        """
        return None

    def succeed(self, cursor: Any, values: Mapping[str, Any], handled: Sequence[Handled]) -> bool:
        """Record successes and renew the claim; false, without a change, if it is another's.

        :param values: the claim and the times; ``is_durable`` as for :meth:`step`.
        """
        return self._record(cursor, self.statements.succeed, values, handled)

    def renew_claim(self, values: Callable[[], Mapping[str, Any]], *, seconds: float) -> bool:
        """Renew a claim that another thread holds, on a connection outside the pool.

        :param values: returns the claim and the times.
        :param seconds: how long to wait for the server's answer.
        :return: whether the claim is held; if it is another's, nothing changed.
        """
        with self.translated():
            return self._renewals.run(
                lambda cursor: self._renewed(cursor, values()), seconds=seconds
            )

    def _renewed(self, cursor: Any, values: Mapping[str, Any]) -> bool:
        self.statements.renew.execute(cursor, values)
        return bool(cursor.rowcount == 1)

    def release(self, cursor: Any, values: Mapping[str, Any], handled: Sequence[Handled]) -> bool:
        """Record successes and release the claim; false, without a change, if it is another's."""
        return self._record(cursor, self.statements.release, values, handled)

    def complete(self, cursor: Any, values: Mapping[str, Any], handled: Sequence[Handled]) -> bool:
        """The same, and mark the event done."""
        if not self.release(cursor, values, handled):
            return False
        self.statements.done.execute(cursor, values)
        return True

    def _record(
        self,
        cursor: Any,
        statement: Statement,
        values: Mapping[str, Any],
        handled: Sequence[Handled],
    ) -> bool:
        statement.execute(cursor, values)
        if cursor.rowcount != 1:
            return False
        for one in handled:
            self.statements.handled.execute(cursor, {**values, **one._asdict()})
        return True

    def upsert(
        self,
        table: Table,
        key: Mapping[str, Any],
        first: Mapping[str, Any],
        again: Mapping[str, Any],
    ) -> Insert:
        """Insert a row or update the existing one, in one statement.

        Two concurrent processes with the same key must both succeed.

        :param key: the columns of a unique constraint.
        :param first: the other columns of a new row.
        :param again: what is set in an existing one.
        """
        statement = self.insert_into(table).values(**key, **first)
        updated: Insert = statement.on_conflict_do_update(
            index_elements=list(key), set_=dict(again)
        )
        return updated

    def leads(self, column: ColumnElement[Any], value: Any) -> ColumnElement[bool]:
        """That *column* equals *value*, where its index continues with the query's sort order.

        If *column* also leads the ``ORDER BY``, every database reads in the index's order.
        """
        has_it: ColumnElement[bool] = column == value
        return has_it

    def unselective(self, condition: ColumnElement[bool]) -> ColumnElement[bool]:
        """*condition*, marked as one that most rows meet, so that no index is used for it."""
        return condition

    def require_suitable(self) -> None:
        """Check that the database and its connection can store any event.

        :raises LedgerUnavailable: if it cannot, with the remedy.
        """

    def report_time(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """A column of times as reports read it: as text, where the driver is slow to parse it."""
        return column

    def microseconds(self, column: ColumnElement[Any]) -> ColumnElement[int]:
        """The microseconds from some moment to a time, where :attr:`measures_in_texts`."""
        raise NotImplementedError

    def using(self, query: Select[Any], table: Table, index: str) -> Select[Any]:
        """*query* with a hint to use an index, where the database would scan the table instead."""
        return query

    def place_among(
        self, column: ColumnElement[Any], starts: Sequence[datetime]
    ) -> ColumnElement[int]:
        """How many of *starts*, which are sorted, are at or before a time."""
        raise NotImplementedError

    def array_of(self, *values: ColumnElement[Any]) -> ColumnElement[Any]:
        """*values* as one that is compared by the first of them, then by the second, and so on,
        where :attr:`aggregates_reports`."""
        raise NotImplementedError

    def recordings(self, connection: Connection) -> set[Any]:
        """The statements now recording events for others, where several can run at once."""
        return set()

    def folds(self, connection: Connection) -> Any:
        """A value that changes whenever messages are pruned, where that is cheap to tell."""
        return None

    def compact(self) -> None:
        """Reclaim the space of deleted rows; see :attr:`compacts`."""
        with self.querying(patiently=True) as connection:
            alone = connection.execution_options(isolation_level="AUTOCOMMIT")
            for statement in self.compacting:
                alone.exec_driver_sql(statement)

    def back_up(self, path: Path, tell: Callable[[int, int], None]) -> None:
        """Write a snapshot of the database to a new file.

        :param tell: called with the amount done, and the total.
        :raises FreshdeskWhatsAppError: if the server has its own tool for that.
        """
        raise FreshdeskWhatsAppError(
            f"The ledger is in {type(self).__name__}, which has its own backup tool: "
            f"`{self.backup_tool}` is consistent while events are recorded."
        )

    def continue_ids(self, connection: Connection, table: Table) -> None:
        """Let generated ids continue after explicit ones, where they would not."""

    def doubts(self) -> list[str]:
        """Settings of the engine, perhaps the host's, that make it less than durable."""
        return []

    def times(self, *, lease: float | None = None, delay: float = 0) -> dict[str, Any]:
        """The parameters for the statements' times: now, and seconds from now.

        :param lease: the seconds until a claim ends, for statements that set that.
        :param delay: the seconds until an event is due.
        """
        return {"lease": lease, "delay": delay}

    def now(self, *, after: float = 0) -> Any:
        """The database's clock, for a query; or *after* seconds later."""
        now = func.statement_timestamp()
        return now + timedelta(seconds=after) if after else now

    def read_clock(self, connection: Connection) -> datetime:
        """The current time by its clock (UTC)."""
        now: datetime | None = connection.scalar(select(type_coerce(self.now(), UTCDateTime)))
        assert now is not None
        return now

    def moment(self, value: datetime) -> Any:
        """A UTC time as the driver expects it."""
        return value.replace(tzinfo=None)
