"""What keeps a ledger in a database going: what can be forgotten, its tables and its disk."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, case, delete, exists, func, select

from ...engagement.report import ReportRules
from ...exceptions import ConfigurationError, FreshdeskWhatsAppError
from ..views import Upgraded
from .aggregates import drop_old, fold_into, keep_digests
from .dialects.base import Database
from .prepared import PreparedDatabase
from .quarantine import try_writing
from .queries import is_free
from .report_rows import fill_sent_on
from .send_pruning import delete_sends, forget_sends, unheard
from .tables import event, handler_error, handling, message

RECORDING_SECONDS: Final = 5
"""How long pruning waits for events that are being recorded at the most."""

_LOOK_AGAIN_SECONDS: Final = 0.01


class SQLMaintenance:
    """Keeps the ledger going, for :class:`SQLLedger`."""

    def __init__(self, prepared: PreparedDatabase, rules: Callable[[], ReportRules]) -> None:
        self._prepared = prepared
        self._rules = rules

    def prune(
        self,
        *,
        before: datetime,
        limit: int,
        receiver: str | Collection[str] | None = None,
        account_ids: Collection[str] | None = None,
        except_accounts: Collection[str] = (),
    ) -> int:
        """Forget at most *limit* messages not heard of since *before*, none that is unfinished.

        :param receiver: only messages all of whose events came to the receivers of these names.
        """
        names = [receiver] if isinstance(receiver, str) else receiver
        database, rules = self._prepared.database, self._rules()
        fill_sent_on(database)
        is_old = message.c.last_seen < before
        if account_ids is not None:
            is_old &= message.c.account_id.in_(account_ids)
        if except_accounts:
            is_old &= message.c.account_id.not_in(except_accounts)
        gone = database.retried(
            lambda: forget(database, rules, is_old, before=before, limit=limit, receivers=names)
        )
        if not gone and account_ids is None:
            database.retried(
                lambda: forget_sends(database, before=before, limit=limit, receivers=names)
            )
            database.retried(lambda: drop_old(database, rules))
        return gone

    @property
    def compacts(self) -> str:
        """What :meth:`compact` does, and whom it locks out."""
        return self._prepared.database.compacts

    def compact(self) -> None:
        """Give back the space of what was forgotten."""
        self._prepared.database.compact()

    def back_up(self, path: Path, *, tell: Callable[[int, int], None]) -> None:
        """Write the database to a new file, where there is no better tool for that."""
        if path.exists():
            raise FreshdeskWhatsAppError(f"{path} exists: name a file that does not.")
        self._prepared.database.back_up(path, tell)

    def check(self) -> list[str]:
        """Whether the database answers, has the tables it should, takes writes and keeps them."""
        database = self._prepared.database
        try_writing(database)
        return database.doubts()

    def upgrade(
        self, to: str | None = None, *, tell: Callable[[str], None] | None = None
    ) -> Upgraded:
        """Create the tables, or bring them up to date, while events are recorded.

        :param to: a revision to stop at, instead of the newest.
        :param tell: is called with what is being done; perhaps from another thread.
        :raises ConfigurationError: if that is for the host's own migrations to do.
        :raises FreshdeskWhatsAppError: if there is no such revision.
        """
        if self._prepared.migrated_by_host:
            raise ConfigurationError(
                "The ledger's tables are in the application's own migrations "
                "(migrated_by_host=True): run those, such as `flask db upgrade`."
            )
        from .migrate import upgrade  # Alembic takes long to import, and is seldom needed

        database = self._prepared.unprepared
        database.require_suitable()
        with database.translated():
            return upgrade(database.engine, to, tell=tell)


def forget(
    database: Database,
    rules: ReportRules,
    is_old: ColumnElement[bool],
    *,
    before: datetime,
    limit: int,
    receivers: Collection[str] | None,
) -> int:
    """Forget at most *limit* messages that are old, and fold them; see :meth:`.Ledger.prune`."""
    is_old &= is_free(database.now())
    is_finished = ~exists().where(_OF_MESSAGE, event.c.due_at.is_not(None))
    found = select(message.c.id).limit(limit)
    of_unheard: Select[Any] | None = None
    if receivers is None:
        goes = is_old & is_finished
        # Most of what was first seen before that is to go, and an index has it in this order.
        found = found.where(message.c.first_seen < before, goes).order_by(message.c.first_seen)
    else:
        is_others = event.c.receiver.not_in(receivers)
        goes = is_old & is_finished & ~exists().where(_OF_MESSAGE, is_others)
        of_unheard = unheard(found.where(is_old), before, receivers)
        found = _by_first_event(found.where(is_old), before, receivers)
    locked: list[int] = []
    while True:
        with database.querying(patiently=True) as connection:
            keys = connection.scalars(found.where(message.c.id.not_in(locked))).all()
            if not keys and of_unheard is not None:
                keys = connection.scalars(of_unheard.where(message.c.id.not_in(locked))).all()
        if not keys:
            return 0
        if not database.has_one_writer:
            # Before its row is locked: an event that waits for it has looked for this already.
            with database.forgetting() as connection:
                keep_digests(database, connection, keys)
            _let_finish(database)
        # Locked until they are gone, or an event recorded meanwhile would go with them.
        has_time = message.c.sent_on.is_not(None)
        still = select(message.c.id).where(message.c.id.in_(keys), goes, has_time)
        with database.forgetting() as connection:
            gone = connection.scalars(still.with_for_update(skip_locked=True)).all()
            if gone:
                fold_into(database, connection, gone, rules)
                if database.has_one_writer:
                    keep_digests(database, connection, gone)
                _delete(connection, gone)
        if gone:
            return len(gone)
        locked += keys  # by others: what is behind them goes


def _let_finish(database: Database) -> None:
    """Wait for the events that are being recorded: they may have looked before that was kept."""
    deadline = monotonic() + RECORDING_SECONDS
    begun: set[Any] | None = None
    while begun is None or begun:
        with database.querying() as connection:
            going_on = database.recordings(connection)
        begun = going_on if begun is None else begun & going_on
        if begun:
            if monotonic() > deadline:
                return
            sleep(_LOOK_AGAIN_SECONDS)


_OF_MESSAGE: Final = event.c.message_key == message.c.id


def _by_first_event(
    found: Select[Any], before: datetime, receivers: Collection[str]
) -> Select[Any]:
    """What is found of messages all of whose events are finished and came to *receivers*.

    By the events' index: of the messages' own, others may keep millions that are as old.  One
    subquery, since several may be answered from the whole table.
    """
    first = event.alias("first")
    stays = event.c.due_at.is_not(None) | event.c.receiver.not_in(receivers)
    only_if_none_stays = (
        select(func.min(case((stays, 0), else_=event.c.id)))
        .where(event.c.message_key == first.c.message_key)
        .scalar_subquery()
    )
    return (
        found.join_from(first, message, message.c.id == first.c.message_key)
        .where(first.c.receiver.in_(receivers), first.c.received_at < before)
        .where(first.c.id == only_if_none_stays)
        .order_by(first.c.received_at)
    )


def _delete(connection: Connection, keys: Sequence[int]) -> None:
    delete_sends(connection, keys)
    events = select(event.c.id).where(event.c.message_key.in_(keys))
    for table in (handling, handler_error):
        connection.execute(delete(table).where(table.c.event_id.in_(events)))
    connection.execute(delete(event).where(event.c.message_key.in_(keys)))
    connection.execute(delete(message).where(message.c.id.in_(keys)))
