"""Maintenance of a ledger in a database: pruning and erasing, tables and disk space."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import ColumnElement, false, true

from ...engagement.report import ReportRules
from ...exceptions import ConfigurationError, FreshdeskWhatsAppError
from ..event_filter import require_condition
from ..send_records import digest_of
from ..views import Erased, Upgraded
from .aggregates import drop_old
from .ask_rows import forget_runs
from .dialects.base import CLOCKS_DIFFER
from .drift_rows import forget_examples
from .event_pages import has_reference
from .forgetting import erase, forget
from .prepared import PreparedDatabase
from .quarantine import try_writing
from .report_rows import fill_sent_on
from .send_pruning import forget_sends
from .tables import message, send


class SQLMaintenance:
    """Maintains the ledger, for :class:`SQLLedger`."""

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
        """Delete at most *limit* finished messages without an event since *before*.

        :param receiver: only messages whose events all came to these receivers.
        """
        names = [receiver] if isinstance(receiver, str) else receiver
        database, rules = self._prepared.database, self._rules()
        fill_sent_on(database)
        is_old = message.c.last_seen < before
        is_old &= _is_one_of(message.c.account_id, account_ids, except_accounts)
        sends_of_these = _is_one_of(send.c.account, account_ids, except_accounts)
        gone = database.retried(
            lambda: forget(database, rules, is_old, before=before, limit=limit, receivers=names)
        )
        if gone:
            database.retried(lambda: forget_examples(database))
        else:
            database.retried(
                lambda: forget_sends(
                    database, sends_of_these, before=before, limit=limit, receivers=names
                )
            )
            if account_ids is None:
                database.retried(lambda: forget_runs(database, before, names))
                database.retried(lambda: drop_old(database, rules))
        return gone

    def erase(
        self,
        *,
        message_id: str | None = None,
        reference: str | None = None,
        account_id: str | None = None,
    ) -> Erased:
        """Erase the messages with an id or a reference, and the sends with that reference."""
        require_condition(message_id, reference)
        its: ColumnElement[bool] = true()
        of_sends: ColumnElement[bool] = false()
        if message_id is not None:
            its &= message.c.message_id == message_id
        if reference is not None:
            its &= has_reference(reference)
            of_sends = send.c.reference_digest == digest_of(reference)
        if account_id is not None:
            its &= message.c.account_id == account_id
            of_sends &= send.c.account == account_id
        return erase(self._prepared.database, self._rules(), its, of_sends)

    @property
    def compacts(self) -> str:
        """What :meth:`compact` does, and whom it locks out."""
        return self._prepared.database.compacts

    def compact(self) -> None:
        """Reclaim the space of deleted rows."""
        self._prepared.database.compact()

    def back_up(self, path: Path, *, tell: Callable[[int, int], None]) -> None:
        """Back the database up to a new file, where there is no better tool for that."""
        if path.exists():
            raise FreshdeskWhatsAppError(f"{path} exists: choose a file that does not.")
        self._prepared.database.back_up(path, tell)

    def check(self) -> list[str]:
        """Check that the database answers, has its tables, and takes writes durably."""
        database = self._prepared.database
        try_writing(database)
        with database.querying() as connection:
            difference = abs(database.read_clock(connection) - datetime.now(UTC))
        if difference < CLOCKS_DIFFER:
            return database.doubts()
        doubt = (
            f"The database's clock and this machine's differ by {difference.total_seconds():,.0f} "
            "seconds: synchronise both, or `status` reports what is overdue or rejected too early "
            "or too late."
        )
        return [*database.doubts(), doubt]

    def upgrade(
        self, to: str | None = None, *, tell: Callable[[str], None] | None = None
    ) -> Upgraded:
        """Create the tables, or bring them up to date, while events are recorded.

        :param to: a revision to stop at, instead of the newest.
        :param tell: called with each step; possibly from another thread.
        :raises ConfigurationError: if the host's own migrations should do that.
        :raises FreshdeskWhatsAppError: if there is no such revision.
        """
        if self._prepared.migrated_by_host:
            raise ConfigurationError(
                "The ledger's tables are in the application's own migrations "
                "(migrated_by_host=True): run those, such as `flask db upgrade`."
            )
        from .migrate import upgrade  # Alembic is slow to import, and seldom needed

        database = self._prepared.unprepared
        database.require_suitable()
        with database.translated():
            return upgrade(database.engine, to, tell=tell)


def _is_one_of(
    account: ColumnElement[str], these: Collection[str] | None, others: Collection[str]
) -> ColumnElement[bool]:
    """Whether an account is one of *these*, if they are given, and none of the *others*."""
    is_one: ColumnElement[bool] = true() if these is None else account.in_(these)
    return is_one & account.not_in(others) if others else is_one
