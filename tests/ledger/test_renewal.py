"""Renewing a lease from another thread, on every ledger."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from sqlalchemy import select

from flask_fd_whatsapp.exceptions import ClaimLost
from flask_fd_whatsapp.ledger import Ledger, State, Tried
from flask_fd_whatsapp.ledger.sql import SQLLedger
from flask_fd_whatsapp.ledger.sql.tables import message as message_table

from ..concurrency.threads import TIMEOUT
from .entries import LONG_AGO, POLICY, claimed, end_leases, entry

ENDING = {
    "postgresql": (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    ),
    "mariadb": (
        "SELECT id FROM information_schema.processlist"
        " WHERE db = DATABASE() AND id <> CONNECTION_ID()"
    ),
}
"""Statements that end, or list, all connections to the database but one's own."""


def test_renewed_lease_keeps_others_out(ledger: Ledger) -> None:
    """A renewed claim keeps others out, although the first lease has expired."""
    _, claim = claimed(ledger)
    end_leases(ledger)
    with ThreadPoolExecutor(1) as another:
        for _ in range(3):
            another.submit(claim.renew).result(TIMEOUT)
    assert ledger.record(entry("SENT"), POLICY).claim is None
    assert claim.finish(Tried(succeeded="handler")) is State.DONE


def test_taken_by_another(ledger: Ledger) -> None:
    """An expired lease taken over by another is lost and not renewed."""
    _, late = claimed(ledger)
    end_leases(ledger)
    _, claim = claimed(ledger, "SENT")
    with pytest.raises(ClaimLost):
        late.renew()
    assert claim.finish(Tried()) is State.DONE


def test_late_renewal_claims_nothing(ledger: Ledger) -> None:
    """A late renewal does not reclaim a released message."""
    _, claim = claimed(ledger)
    claim.finish(Tried())
    with pytest.raises(ClaimLost):
        claim.renew()
    claimed(ledger, "SENT")


def test_while_a_transaction_is_open(sql_ledger: SQLLedger) -> None:
    """A renewal does not wait for the handler's transaction, which still commits."""
    _, claim = claimed(sql_ledger)
    claim.transaction.connection.execute(select(message_table.c.id)).all()
    with ThreadPoolExecutor(1) as another:
        another.submit(claim.renew).result(TIMEOUT)
    claim.succeeded("handler")
    claim.renew()
    assert claim.finish(Tried()) is State.DONE


def test_while_handlers_have_all_connections(sql_ledger: SQLLedger) -> None:
    """A renewal has its own connection, however many the handlers use."""
    if sql_ledger.engine.dialect.name == "sqlite":
        pytest.skip("One handler at a time writes there.")
    _, claim = claimed(sql_ledger)
    end_leases(sql_ledger)
    pool = sql_ledger.engine.pool
    with ExitStack() as taken:
        for _ in range(pool.size() + pool._max_overflow):  # type: ignore[attr-defined]
            taken.enter_context(sql_ledger.engine.connect())
        claim.renew()
    assert ledger_is_held(sql_ledger)


def test_after_the_connection_has_died(sql_ledger: SQLLedger) -> None:
    """A reserved connection that was ended while it was idle is replaced."""
    kind = sql_ledger.engine.dialect.name
    if kind == "sqlite":
        pytest.skip("There is no server that could end it.")
    _, claim = claimed(sql_ledger)
    claim.renew()
    end_leases(sql_ledger)
    with sql_ledger.engine.connect() as connection:
        for (found,) in connection.exec_driver_sql(ENDING[kind]).all():
            if kind == "mariadb":
                connection.exec_driver_sql(f"KILL {found}")
        connection.commit()
        claim.renew()
        lease_end = connection.scalar(select(message_table.c.claim_until))
    assert lease_end > LONG_AGO
    sql_ledger.engine.dispose()


def ledger_is_held(ledger: Ledger) -> bool:
    return ledger.record(entry("SENT"), POLICY).claim is None
