"""The database of a ledger, once it is known to be suitable and its tables to be up to date."""

from __future__ import annotations

from threading import Lock
from typing import Final

from sqlalchemy import Engine

from ...exceptions import LedgerUnavailable
from .dialects.base import Database
from .dialects.registry import database_of
from .dialects.timeouts import LOCK_SECONDS
from .schema_version import is_behind, require_usable, revision

FIRST_USE_SECONDS: Final = 5
"""How long to retry locks held by others when the tables are upgraded at first use."""


class PreparedDatabase:
    """The state that the parts of :class:`.SQLLedger` share.

    Connects only when :attr:`database` is first used.

    :param upgrades: create and upgrade the tables at first use.
    :param migrated_by_host: neither upgrade them nor check their version.
    :param is_own: nobody else uses the engine, and it was created for the ledger.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        upgrades: bool = False,
        migrated_by_host: bool = False,
        is_own: bool = False,
    ) -> None:
        self.unprepared = database_of(engine, is_own=is_own)
        self.migrated_by_host = migrated_by_host
        self._upgrades = upgrades
        self._lock = Lock()

    @property
    def engine(self) -> Engine:
        """The SQLAlchemy engine, whatever the state of its tables."""
        return self.unprepared.engine

    @property
    def database(self) -> Database:
        """The database, which is suitable and has its tables up to date.

        :raises LedgerUnavailable: if it is not: the message names the remedy.
        """
        if not self.unprepared.is_prepared:
            self._prepare_once()
        return self.unprepared

    def _prepare_once(self) -> None:
        if not self._lock.acquire(timeout=LOCK_SECONDS):
            raise LedgerUnavailable(
                f"Another thread has been checking for {LOCK_SECONDS} seconds whether the database "
                "can be used."
            )
        try:
            if not self.unprepared.is_prepared:
                self._prepare()
                self.unprepared.is_prepared = True
        finally:
            self._lock.release()

    def _prepare(self) -> None:
        self.unprepared.require_suitable()
        if self.migrated_by_host:
            return
        with self.unprepared.translated():
            if self._upgrades and is_behind(revision(self.engine)):
                from .migrate import upgrade  # Alembic is slow to import

                upgrade(self.engine, patience=FIRST_USE_SECONDS)
            require_usable(self.engine)
