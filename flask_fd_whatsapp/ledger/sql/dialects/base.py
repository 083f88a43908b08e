"""The steps of an event's way in a database, for every database the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Final, TypeVar

from flask import Flask
from sqlalchemy import ColumnElement, Insert, Table, func, select, type_coerce
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
"""How far a machine's clock may be set back before what it said earlier counts as wrong."""


class Database(Connections):
    """What the ledger needs of a database: the class of each says what is different there."""

    dialects: ClassVar[tuple[str, ...]]
    """SQLAlchemy's names for it."""

    changes: ClassVar[TableChanges]
    """How migrations change its tables."""

    insert_into: ClassVar[Any]
    """SQLAlchemy's ``insert`` for it, where that has ``on_conflict_do_update``."""

    upgrades_at_first_use: ClassVar[bool] = False
    """Whether the ledger of a URL upgrades its tables by itself."""

    compares_bytes: ClassVar[bool] = False
    """Whether texts are in the order of their bytes, so that what begins alike is one range."""

    has_one_writer: ClassVar[bool] = False
    """Whether an open transaction that writes keeps everybody else from writing."""

    conflict_ends_transaction = False
    """Whether a deadlock undoes all of its victim's transaction, and lets it go on in a new one."""

    compacting: Sequence[str] = ()
    """The statements that give back the space of what has been deleted."""

    compacts = ""
    """What they do, and whom they lock out."""

    backup_tool = ""
    """The command that backs it up, where that is not :meth:`back_up`."""

    file: str | None = None
    """The path of the file that it is, if it is one."""

    is_prepared = False
    """Whether the tables are known to be up to date."""

    report_times = TEXT_TIMES
    """How the driver has the times of :meth:`report_time`."""

    aggregates_reports = False
    """Whether it is quicker at counting messages than the accumulator."""

    reports_by_page = False
    """Whether a long read keeps others from something, so that a report is read page by page."""

    def __init__(self, engine: Engine, *, is_own: bool) -> None:
        super().__init__(engine, is_own=is_own)
        self.statements = self.new_statements()
        self._renewals = RenewalConnection(engine, self.time_out_attribute)

    @classmethod
    def new_statements(cls) -> Statements:
        """The statements on the way of an event, in its words."""
        raise NotImplementedError

    @classmethod
    def new_engine(cls, url: URL, app: Flask) -> Engine:
        """An engine for the ledger alone."""
        raise NotImplementedError

    @classmethod
    def warm_up(cls) -> None:
        """Import what :meth:`new_engine` does, the driver apart."""

    def step(self, work: Callable[[Any], T], *, is_durable: bool = True) -> T:
        """Do *work*, which calls one of the methods below with a cursor, in a transaction.

        :param is_durable: whether it has to outlive a power cut, or a crash of the server.
        """
        with self.transaction() as cursor:
            return work(cursor)

    def is_seen(self, cursor: Any, values: Mapping[str, Any]) -> bool:
        """Whether the event was recorded before, where looking is cheap; else nothing is known."""
        return False

    def insert(self, cursor: Any, values: dict[str, Any]) -> Inserted:
        """Record an event and what it does to its message, and claim that if it is free.

        The message comes first and with it the row's lock, so that events of one message follow
        each other.
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
        """Before a claim: let others go first, where to take turns with them is quicker for all."""

    def claim_pending(self, values: Mapping[str, Any]) -> Found | None:
        """Claim a pending event's message and count the try, where that takes few round trips.

        :param values: the event's id, the token, the most attempts, and the times.
        :return: the event as it was, and its handlers that are settled; ``None``, and nothing has
            changed, if it is not to be had, or not in this way.
        """
        return None

    def succeed(self, cursor: Any, values: Mapping[str, Any], handled: Sequence[Handled]) -> bool:
        """Record successes and renew the claim; nothing, and false, if it is another's.

        :param values: the claim and the times; ``is_durable`` if it is not, as for :meth:`step`.
        """
        return self._record(cursor, self.statements.succeed, values, handled)

    def renew_claim(self, values: Callable[[], Mapping[str, Any]], *, seconds: float) -> bool:
        """Renew a claim that another thread works under, on a connection that waits for no pool.

        :param values: gives the claim and the times.
        :param seconds: how long to wait for a server's answer.
        :return: whether the claim is held; nothing happened if it is another's.
        """
        with self.translated():
            return self._renewals.run(
                lambda cursor: self._renewed(cursor, values()), seconds=seconds
            )

    def _renewed(self, cursor: Any, values: Mapping[str, Any]) -> bool:
        self.statements.renew.execute(cursor, values)
        return bool(cursor.rowcount == 1)

    def release(self, cursor: Any, values: Mapping[str, Any], handled: Sequence[Handled]) -> bool:
        """Record successes and end the claim; nothing, and false, if it is another's."""
        return self._record(cursor, self.statements.release, values, handled)

    def complete(self, cursor: Any, values: Mapping[str, Any], handled: Sequence[Handled]) -> bool:
        """The same, and the event is done."""
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
        """Insert a row or update the one that is there, in one statement.

        Of two processes with the same key at once none may fail.

        :param key: the columns of a unique constraint.
        :param first: the other columns where there is no such row yet.
        :param again: what is set where there is.
        """
        statement = self.insert_into(table).values(**key, **first)
        updated: Insert = statement.on_conflict_do_update(
            index_elements=list(key), set_=dict(again)
        )
        return updated

    def leads(self, column: ColumnElement[Any], value: Any) -> ColumnElement[bool]:
        """That *column* has *value*, where its index goes on with the order of what is wanted.

        What is sorted by *column* before that order is read from the index on every database.
        """
        has_it: ColumnElement[bool] = column == value
        return has_it

    def unselective(self, condition: ColumnElement[bool]) -> ColumnElement[bool]:
        """*condition* as one that most rows meet, so that no index is chosen for it."""
        return condition

    def require_suitable(self) -> None:
        """See that the database, as it is connected to, can hold whatever may come.

        :raises LedgerUnavailable: if it cannot, with the remedy.
        """

    def report_time(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """A column of times as a report reads it: as text, where the driver is slow to read it."""
        return column

    def recordings(self, connection: Connection) -> set[Any]:
        """The statements by which others record events just now, where several can at once."""
        return set()

    def folds(self, connection: Connection) -> Any:
        """Something that has changed whenever messages were pruned, where that is cheap to tell."""
        return None

    def compact(self) -> None:
        """Give back the space of what has been deleted; see :attr:`compacts`."""
        with self.querying(patiently=True) as connection:
            alone = connection.execution_options(isolation_level="AUTOCOMMIT")
            for statement in self.compacting:
                alone.exec_driver_sql(statement)

    def back_up(self, path: Path, tell: Callable[[int, int], None]) -> None:
        """Write the database, as it is at one moment, to a new file.

        :param tell: is called with how much is done, and of how much.
        :raises FreshdeskWhatsAppError: if that is for the server's own tool to do.
        """
        raise FreshdeskWhatsAppError(
            f"The ledger is in {type(self).__name__}, which has its own backup tool: "
            f"`{self.backup_tool}` is consistent while events are recorded."
        )

    def continue_ids(self, connection: Connection, table: Table) -> None:
        """Give the next row an id after those that were given by hand, where that is not so."""

    def doubts(self) -> list[str]:
        """In what the engine, which may be the host's, does not keep what it is told to."""
        return []

    def times(self, *, lease: float | None = None, delay: float = 0) -> dict[str, Any]:
        """The parameters of the statements' times: now, and seconds from now.

        :param lease: for statements that have to do with the end of a claim.
        """
        return {"lease": lease, "delay": delay}

    def now(self, *, after: float = 0) -> Any:
        """The database's clock, for a query; or so many seconds later."""
        now = func.statement_timestamp()
        return now + timedelta(seconds=after) if after else now

    def read_clock(self, connection: Connection) -> datetime:
        """What its clock says just now (UTC)."""
        now: datetime | None = connection.scalar(select(type_coerce(self.now(), UTCDateTime)))
        assert now is not None
        return now

    def moment(self, value: datetime) -> Any:
        """A UTC time as the driver takes it."""
        return value.replace(tzinfo=None)
