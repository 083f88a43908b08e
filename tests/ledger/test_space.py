"""Pruned space is reused, so that a pruned ledger keeps its size."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from flask_fd_whatsapp.ledger.sql import SQLLedger
from flask_fd_whatsapp.ledger.sql.tables import event

from .entries import POLICY, entry

MESSAGES = 400
SIZES = {
    "sqlite": "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
    "postgresql": "SELECT pg_total_relation_size('fd_whatsapp_message')"
    " + pg_total_relation_size('fd_whatsapp_event')",
}


def live_through_a_day(ledger: SQLLedger, day: int) -> int:
    """Record messages and prune them, as every night; return the size of the tables in bytes."""
    for number in range(MESSAGES):
        given = entry("SENT", message_id=f"M{day}-{number}", body="x" * 1000)
        ledger.record(given, POLICY, claim=False)
    with ledger.engine.begin() as connection:
        connection.execute(update(event).values(due_at=None))
    assert ledger.prune(before=datetime.now(UTC) + timedelta(1), limit=MESSAGES) == MESSAGES
    kind = ledger.engine.dialect.name
    if kind == "postgresql":
        ledger.maintenance.compact()
    with ledger.engine.connect() as connection:
        return int(connection.exec_driver_sql(SIZES[kind]).scalar_one())


@pytest.mark.slow
@pytest.mark.parametrize("kind", SIZES)
def test_pruned_ledger_stays_its_size(sql_ledger: SQLLedger) -> None:
    """On SQLite by itself; on PostgreSQL once VACUUM has run, which autovacuum does there."""
    first, *later = [live_through_a_day(sql_ledger, day) for day in range(4)]
    assert first > MESSAGES * 1000
    assert max(later) < 2 * first
