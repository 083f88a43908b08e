"""What waits for the disk, according to the databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from sqlalchemy import Engine, event, text

from flask_fd_whatsapp.ledger import Tried
from flask_fd_whatsapp.ledger.sql import SQLLedger

from .entries import POLICY, RECEIVER, claimed, entry

Waits = Callable[[], list[tuple[str, bool]]]

# A deferred trigger runs as its transaction is being committed.
NOTE = """
CREATE TABLE noted (number SERIAL, name TEXT, waits BOOLEAN);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO noted (name, waits)
  VALUES (TG_TABLE_NAME, current_setting('synchronous_commit') = 'on');
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER note AFTER INSERT ON fd_whatsapp_event
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note();
CREATE CONSTRAINT TRIGGER note AFTER INSERT ON fd_whatsapp_handling
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note()
"""


@pytest.fixture
def ledger(bare_url: str) -> Iterator[SQLLedger]:
    ledger = SQLLedger.from_url(bare_url, Flask("host"))
    yield ledger
    ledger.engine.dispose()


@pytest.fixture
def waits(ledger: SQLLedger) -> Waits:
    """Return the tables written, and whether the commit waited for the disk."""
    noted = noted_by_sqlite if ledger.engine.dialect.name == "sqlite" else noted_by_postgresql
    return noted(ledger.engine, ledger.upgrade)


def noted_by_postgresql(engine: Engine, upgrade: Callable[[], None]) -> Waits:
    upgrade()
    with engine.begin() as connection:
        connection.execute(text(NOTE))

    def noted() -> list[tuple[str, bool]]:
        with engine.connect() as connection:
            query = text("SELECT name, waits FROM noted ORDER BY number")
            return [(name, waits) for name, waits in connection.execute(query)]

    return noted


def noted_by_sqlite(engine: Engine, upgrade: Callable[[], None]) -> Waits:
    found: list[tuple[str, bool]] = []

    def listen(connection: object, _: object) -> None:
        state = {"waits": True}

        def note(statement: str) -> None:
            if statement.startswith("PRAGMA synchronous ="):
                state["waits"] = statement.endswith(("FULL", "2"))
            elif "INSERT INTO fd_whatsapp_event" in statement:
                found.append(("fd_whatsapp_event", state["waits"]))
            elif "INSERT INTO fd_whatsapp_handling" in statement:
                found.append(("fd_whatsapp_handling", state["waits"]))
            elif "SET reserved_until" in statement:
                found.append(("reservation", state["waits"]))

        connection.set_trace_callback(note)  # type: ignore[attr-defined]

    upgrade()
    engine.dispose()
    event.listen(engine, "connect", listen)
    return lambda: found


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_events_and_transactional_successes_wait_for_the_disk(
    ledger: SQLLedger, waits: Waits
) -> None:
    """Events wait for the disk, and so do successes in the ledger's transaction; no others do."""
    _, claim = claimed(ledger)
    claim.succeeded("plain")
    claim.transaction.connection.execute(text("SELECT 1"))
    claim.succeeded("in the transaction")
    claim.finish(Tried(succeeded="plain and last"))
    claimed(ledger, "SENT")
    assert waits() == [
        ("fd_whatsapp_event", True),
        ("fd_whatsapp_handling", False),
        ("fd_whatsapp_handling", True),
        ("fd_whatsapp_handling", False),
        ("fd_whatsapp_event", True),
    ]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_last_in_transaction(ledger: SQLLedger, waits: Waits) -> None:
    """The end of an event waits for the disk if its last handler is in the ledger's transaction."""
    _, claim = claimed(ledger)
    claim.transaction.connection.execute(text("SELECT 1"))
    claim.finish(Tried(succeeded="in the transaction"))
    assert waits() == [("fd_whatsapp_event", True), ("fd_whatsapp_handling", True)]


@pytest.mark.parametrize("kind", ["sqlite"])
def test_reservations_do_not_wait_for_the_disk(ledger: SQLLedger, waits: Waits) -> None:
    """Neither reserving events nor releasing them waits, and what is recorded afterwards does."""
    ledger.record(entry(), POLICY, claim=False)
    event_ids = ledger.reservations.reserve(receiver=RECEIVER, limit=9, seconds=60)
    ledger.reservations.unreserve(event_ids)
    ledger.record(entry("SENT"), POLICY, claim=False)
    assert waits() == [
        ("fd_whatsapp_event", True),
        ("reservation", False),
        ("reservation", False),
        ("fd_whatsapp_event", True),
    ]
