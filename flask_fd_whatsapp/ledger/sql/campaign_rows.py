"""Campaigns of recorded messages, in a database: which have none, and applying a new rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import bindparam, func, select, update

from ..references import storable
from ..report_parts import Recomputed
from .dialects.base import Database
from .prepared import PreparedDatabase
from .tables import message

_REFERENCE: Final = func.coalesce(message.c.reference_text, message.c.external_reference_id)


class SQLCampaigns:
    """Applies the campaign rule to recorded messages, for :class:`SQLLedger`."""

    def __init__(self, prepared: PreparedDatabase) -> None:
        self._prepared = prepared

    def unmatched(self) -> int:
        """How many messages have a reference and no campaign."""
        query = select(func.count()).where(
            message.c.campaign.is_(None), message.c.external_reference_id.is_not(None)
        )
        with self._prepared.database.querying(patiently=True) as connection:
            return int(connection.scalar(query) or 0)

    def recompute(
        self, campaign_of: Callable[[str], str | None], *, receiver: str, after: Any, limit: int
    ) -> Recomputed:
        """Apply a rule to the next messages of a receiver."""
        database = self._prepared.database
        return database.retried(
            lambda: _recompute(database, campaign_of, receiver, after or 0, limit)
        )


def _recompute(
    database: Database,
    campaign_of: Callable[[str], str | None],
    receiver: str,
    after: int,
    limit: int,
) -> Recomputed:
    query = (
        select(message.c.id, _REFERENCE, message.c.campaign, message.c.receiver)
        .where(message.c.id > after)
        .order_by(message.c.id)
        .limit(limit)
    )
    with database.querying(patiently=True) as connection:
        rows = connection.execute(query).all()
    changes = [
        {"which": key, "becomes": campaign}
        for key, reference, before, whose in rows
        if reference is not None
        and whose in (None, receiver)
        and (campaign := storable(campaign_of(reference))) != before
    ]
    if changes:
        with database.writing(patiently=True) as connection:
            connection.execute(
                update(message)
                .where(message.c.id == bindparam("which"))
                .values(campaign=bindparam("becomes")),
                changes,
            )
    last = rows[-1][0] if len(rows) == limit else None
    return Recomputed(seen=len(rows), changed=len(changes), last=last)
