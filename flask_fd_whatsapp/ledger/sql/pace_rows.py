"""The pace of calls that all processes share, in a database: one row each, compare-and-set."""

from __future__ import annotations

from sqlalchemy import select, type_coerce, update
from sqlalchemy.exc import IntegrityError

from ...exceptions import LedgerUnavailable
from ..pacing import PaceMoments, PaceRead
from .column_types import UTCDateTime
from .prepared import PreparedDatabase
from .tables import rate


class SQLRates:
    """Stores the state of paces, for :class:`SQLLedger`."""

    def __init__(self, prepared: PreparedDatabase) -> None:
        self._prepared = prepared

    def read(self, name: str) -> PaceRead:
        """The state of the pace with that name, by the database's clock."""
        return self._prepared.database.retried(lambda: self._read(name))

    def _read(self, name: str) -> PaceRead:
        database = self._prepared.database
        now = type_coerce(database.now(), UTCDateTime).label("now")
        with database.querying() as connection:
            row = connection.execute(
                select(rate.c.tat, rate.c.paused_until, now).where(rate.c.name == name)
            ).one_or_none()
            if row is not None:
                return PaceRead(PaceMoments(row[0], row[1]), row[2])
            moment = connection.scalar(select(now))
            assert moment is not None
            return PaceRead(None, moment)

    def replace(self, name: str, before: PaceMoments | None, after: PaceMoments) -> bool:
        """Compare-and-set *before* to *after*; return whether it succeeded."""
        database = self._prepared.database
        if before is None:
            added = rate.insert().values(name=name, **after._asdict())
            try:
                with database.writing() as connection:
                    connection.execute(added)
            except LedgerUnavailable as error:
                if isinstance(error.__cause__, IntegrityError):
                    return False
                raise
            return True
        still = (
            (rate.c.name == name)
            & rate.c.tat.is_not_distinct_from(before.tat)
            & rate.c.paused_until.is_not_distinct_from(before.paused_until)
        )
        with database.writing() as connection:
            changed = connection.execute(update(rate).where(still).values(**after._asdict()))
            return changed.rowcount == 1
