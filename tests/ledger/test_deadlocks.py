"""A transaction aborted because of a deadlock is repeated."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flask_fd_whatsapp.exceptions import LedgerUnavailable
from flask_fd_whatsapp.ledger import State, Tried, Unusable
from flask_fd_whatsapp.ledger.send_records import SendIntent
from flask_fd_whatsapp.ledger.sql import SQLLedger
from flask_fd_whatsapp.ledger.views import Erased

from .databases import SERVERS
from .entries import (
    POLICY,
    RECEIVER,
    claimed,
    end_leases,
    entry,
    exhaust,
    handle,
    the_event,
)

UNUSABLE = Unusable(
    receiver="fd_whatsapp", body=b"{", reason="not_json", detail="cut off", headers={}
)

# The database itself says so: a sequence does not go back with the transaction.
FAILING: dict[str, tuple[str, ...]] = {
    "postgresql": (
        (
            "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " IF nextval('tries') <= {times} THEN RAISE EXCEPTION USING ERRCODE = '40P01'; END IF;"
            " IF TG_OP = 'DELETE' THEN RETURN OLD; END IF; RETURN NEW; END $$"
        ),
        "CREATE TRIGGER failing BEFORE {operation} ON {table} FOR EACH ROW EXECUTE FUNCTION fail()",
    ),
    "mariadb": (
        (
            "CREATE TRIGGER failing BEFORE {operation} ON {table} FOR EACH ROW"
            " IF nextval(tries) <= {times} THEN"
            " SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213; END IF"
        ),
    ),
}
UNDONE: dict[str, tuple[str, ...]] = {
    "postgresql": ("DROP TRIGGER failing ON {table}", "DROP FUNCTION fail"),
    "mariadb": ("DROP TRIGGER failing",),
}


@contextmanager
def deadlocks(ledger: SQLLedger, kind: str, write: str, *, times: int) -> Generator[None]:
    """The first writes of a kind, such as ``UPDATE message``, are aborted by the database."""
    operation, table = write.split()
    values = {"operation": operation, "table": f"fd_whatsapp_{table}", "times": times}

    def run(*statements: str) -> None:
        with ledger.engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement.format(**values))

    run("CREATE SEQUENCE tries", *FAILING[kind])
    try:
        yield
    finally:
        run(*UNDONE[kind], "DROP SEQUENCE tries")


def quarantine(ledger: SQLLedger) -> None:
    ledger.quarantine.keep(UNUSABLE, at_most=10)
    assert [entry.count for entry in ledger.quarantined()] == [1]


def revive(ledger: SQLLedger) -> None:
    assert ledger.dead_events.revive(ledger.events()[0].id)
    assert [event.state for event in ledger.events()] == [State.PENDING]


def prune(ledger: SQLLedger) -> None:
    assert ledger.prune(before=datetime.now(UTC) + timedelta(days=1), limit=10) == 1
    assert ledger.events() == []


def prepare_erasure(ledger: SQLLedger) -> None:
    handle(ledger, reference="T1")
    ledger.send_record.intend(
        SendIntent(receiver=RECEIVER, account_id="1", external_reference_id="T1", once=True)
    )


def erase(ledger: SQLLedger) -> None:
    """Messages deleted before the deadlock are counted nevertheless."""
    erased = ledger.maintenance.erase(reference="T1")
    assert erased == Erased(messages=1, sends=1, held=0)


def record_due(ledger: SQLLedger) -> None:
    ledger.record(entry(), POLICY, claim=False)


def reserve(ledger: SQLLedger) -> None:
    (event,) = ledger.events()
    assert list(ledger.reservations.reserve(receiver=RECEIVER, limit=10, seconds=60)) == [event.id]


WORK: list[tuple[Callable[[SQLLedger], Any], str, Callable[[SQLLedger], None]]] = [
    (lambda ledger: None, "INSERT quarantine", quarantine),
    (exhaust, "UPDATE event", revive),
    (handle, "DELETE message", prune),
    (record_due, "UPDATE event", reserve),
    (prepare_erasure, "DELETE send", erase),
]


@pytest.mark.parametrize("kind", SERVERS)
@pytest.mark.parametrize(
    ("prepare", "write", "work"), WORK, ids=["quarantine", "revive", "prune", "reserve", "erase"]
)
def test_an_aborted_transaction_is_repeated_as_a_whole(
    sql_ledger: SQLLedger,
    kind: str,
    prepare: Callable[[SQLLedger], Any],
    write: str,
    work: Callable[[SQLLedger], None],
) -> None:
    """An aborted transaction is repeated as a whole, once."""
    prepare(sql_ledger)
    with deadlocks(sql_ledger, kind, write, times=2):
        work(sql_ledger)


@pytest.mark.parametrize("kind", SERVERS)
def test_a_transaction_that_is_always_aborted_is_an_error(sql_ledger: SQLLedger, kind: str) -> None:
    """A transaction that is always aborted is an error in the end."""
    deadlocking = deadlocks(sql_ledger, kind, "INSERT quarantine", times=100)
    with deadlocking, pytest.raises(LedgerUnavailable):
        sql_ledger.quarantine.keep(UNUSABLE, at_most=10)
    assert sql_ledger.quarantined() == []


@pytest.mark.parametrize("kind", SERVERS)
def test_a_repeated_delivery_keeps_its_claim(sql_ledger: SQLLedger, kind: str) -> None:
    """A delivery that claims a recorded event keeps the claim if it has to be repeated."""
    event_id = claimed(sql_ledger)[0].id
    end_leases(sql_ledger)
    with deadlocks(sql_ledger, kind, "UPDATE event", times=1):
        recorded, claim = claimed(sql_ledger)
    assert recorded.id == event_id
    assert claim.finish(Tried(succeeded="handler")) is State.DONE


@pytest.mark.parametrize("kind", SERVERS)
def test_claimed_in_the_end(sql_ledger: SQLLedger, kind: str) -> None:
    """Resuming an event claims its message and counts one attempt, even if the transaction is
    repeated.
    """
    event_id = claimed(sql_ledger)[0].id
    end_leases(sql_ledger)
    with deadlocks(sql_ledger, kind, "UPDATE event", times=1):
        recorded = sql_ledger.claim(event_id, POLICY)
    assert recorded is not None
    assert recorded.claim is not None
    assert the_event(sql_ledger, event_id).attempts == 2
    assert recorded.claim.finish(Tried(succeeded="handler")) is State.DONE
