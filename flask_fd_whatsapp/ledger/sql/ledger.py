"""The ledger in a database: durable, and shared by any number of processes and machines."""

from __future__ import annotations

from flask import Flask
from sqlalchemy import Connection, Engine

from ..composed_ledger import ComposedLedger
from ..context import current_transaction
from .ask_rows import SQLAsking
from .campaign_rows import SQLCampaigns
from .claims import SQLRecording
from .dead_events import SQLDeadEvents
from .dialects.base import Database
from .dialects.registry import engine_from_url, kind_of
from .drift_rows import SQLDriftRecord
from .gauge_rows import SQLGauges
from .maintenance import SQLMaintenance
from .message_pages import SQLBrowser
from .overview import SQLOverview
from .pace_rows import SQLRates
from .prepared import PreparedDatabase
from .quarantine import SQLQuarantine
from .queries import SQLQueries
from .rejection_notes import SQLLastRejections, SQLLastTokenUses
from .replays import SQLReplays
from .reservations import SQLReservations
from .send_rows import SQLSendRecord
from .sql_reports import SQLReports


class SQLLedger(ComposedLedger):
    """Records in SQLite, PostgreSQL or MariaDB.

    :param engine: the host's own SQLAlchemy engine (Flask-SQLAlchemy's ``db.engine``, say).
        On SQLite its pragmas are the host's too: ``check`` says if they are not durable.
    :param migrated_by_host: the tables are in the host's own migrations: neither upgrade them
        nor check their version.
    :param upgrades: create and upgrade the tables at first use, instead of asking for
        ``flask fd-whatsapp upgrade``.
    :param is_own: nobody else uses the engine, and it was created for the ledger.
    """

    durable = True

    def __init__(
        self,
        engine: Engine,
        *,
        upgrades: bool = False,
        migrated_by_host: bool = False,
        is_own: bool = False,
    ) -> None:
        prepared = PreparedDatabase(
            engine, upgrades=upgrades, migrated_by_host=migrated_by_host, is_own=is_own
        )
        reports = SQLReports(prepared)
        super().__init__(
            recording=SQLRecording(prepared),
            queries=SQLQueries(prepared),
            quarantine=SQLQuarantine(prepared),
            rejections=SQLLastRejections(prepared),
            token_uses=SQLLastTokenUses(prepared),
            reservations=SQLReservations(prepared),
            replays=SQLReplays(prepared),
            dead_events=SQLDeadEvents(prepared),
            overview=SQLOverview(prepared),
            browser=SQLBrowser(prepared),
            maintenance=SQLMaintenance(prepared, lambda: reports.rules),
            reports=reports,
            campaigns=SQLCampaigns(prepared),
            send_record=SQLSendRecord(prepared),
            rates=SQLRates(prepared),
            asking=SQLAsking(prepared),
            gauges=SQLGauges(prepared),
            drift=SQLDriftRecord(prepared),
        )
        self._prepared = prepared

    @classmethod
    def from_url(cls, url: str, app: Flask) -> SQLLedger:
        """The ledger of ``FD_WHATSAPP_LEDGER_URL``.

        SQLite files are created and upgraded at first use.
        """
        engine = engine_from_url(url, app)
        return cls(engine, upgrades=kind_of(engine.dialect.name).upgrades_at_first_use, is_own=True)

    @property
    def database(self) -> Database:
        """:attr:`.PreparedDatabase.database`."""
        return self._prepared.database

    @property
    def unprepared(self) -> Database:
        """The same, whatever the state of its tables."""
        return self._prepared.unprepared

    @property
    def engine(self) -> Engine:
        """The SQLAlchemy engine, whatever the state of its tables."""
        return self.unprepared.engine

    @property
    def migrated_by_host(self) -> bool:
        """Whether the tables are in the host's own migrations."""
        return self._prepared.migrated_by_host

    @property
    def file(self) -> str | None:
        """The path of the database's file, if it is one."""
        return self.unprepared.file

    @property
    def transaction(self) -> Connection:
        """The connection in which a handler's writes commit together with its success.

        It is at READ COMMITTED (on SQLite at its own level), whatever the engine's level is.  If
        the database aborts the transaction for another's (a deadlock, a serialisation failure),
        the handler is called again at once, three times at most; after that it has failed.

        :raises FreshdeskWhatsAppError: outside a handler, or once the handler has ended.
        """
        connection: Connection = current_transaction(self)
        return connection
