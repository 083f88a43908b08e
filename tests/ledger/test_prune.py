from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from threading import Thread, current_thread
from typing import Any

import pytest
from sqlalchemy import event as events
from sqlalchemy import select

from flask_fd_whatsapp.ledger import Ledger, State
from flask_fd_whatsapp.ledger.send_records import Expected, SendIntent
from flask_fd_whatsapp.ledger.sql import SQLLedger, metadata
from flask_fd_whatsapp.ledger.sql.tables import aggregate, forgotten

from ..concurrency.threads import TIMEOUT
from .entries import FAILED, POLICY, RECEIVER, claimed, entry, exhaust, handle


def later() -> datetime:
    """A moment before which everything is old."""
    return datetime.now(UTC) + timedelta(days=1)


def left(ledger: Ledger) -> set[str]:
    return {event.message_id for event in ledger.events()}


@pytest.mark.parametrize("statuses", ["QUEUED", "QUEUED SENT READ"])
def test_finished_goes(ledger: Ledger, statuses: str) -> None:
    """A finished message is pruned with all its events; the same id is then new."""
    for status in statuses.split():
        handle(ledger, status, reference="R1")
    assert ledger.prune(before=later(), limit=10) == 1
    assert (ledger.events(), ledger.message("M1")) == ([], None)
    assert ledger.messages(external_reference_id="R1") == []
    assert sum(ledger.counts().values()) == 0
    recorded, _ = claimed(ledger, "QUEUED")
    assert (recorded.previous_status, recorded.succeeded) == (None, frozenset())


def test_message_with_a_pending_event_stays_whole(ledger: Ledger) -> None:
    """A message with a pending event stays whole, whether that failed, is held or is waiting."""
    _, claim = claimed(ledger, message_id="failed")
    claim.finish(FAILED)
    claimed(ledger, message_id="held")
    ledger.record(entry(message_id="waiting"), POLICY, claim=False)
    handle(ledger, message_id="partly")
    ledger.record(entry("SENT", message_id="partly"), POLICY, claim=False)
    handle(ledger, message_id="finished")
    assert ledger.prune(before=later(), limit=10) == 1
    assert left(ledger) == {"failed", "held", "waiting", "partly"}
    assert len(ledger.events()) == 5


def test_recent_stays(ledger: Ledger) -> None:
    """Messages with an event at or after the given time stay."""
    handle(ledger, message_id="old")
    heard = age(ledger)
    handle(ledger, message_id="new")
    assert ledger.prune(before=heard, limit=10) == 0
    assert ledger.prune(before=heard + timedelta(microseconds=1), limit=10) == 1
    assert left(ledger) == {"new"}


@pytest.mark.parametrize("is_done", [True, False])
def test_duplicate_is_heard_of(ledger: Ledger, is_done: bool) -> None:
    """A message with a recent duplicate is not pruned: more may follow."""
    handle(ledger)
    heard = age(ledger)
    ledger.record(entry() if is_done else entry("SENT"), POLICY)
    assert ledger.prune(before=heard + timedelta(days=1), limit=10) == 0


def age(ledger: Ledger) -> datetime:
    """Make every message's last event 100 days old."""
    moment = datetime.now(UTC) - timedelta(days=100)
    if isinstance(ledger, SQLLedger):
        with ledger.engine.begin() as connection:
            table = metadata.tables["fd_whatsapp_message"]
            connection.execute(table.update().values(first_seen=moment, last_seen=moment))
            table = metadata.tables["fd_whatsapp_event"]
            connection.execute(table.update().values(received_at=moment))
    else:
        for message in ledger.store.all_messages():  # type: ignore[attr-defined]
            message.last_seen = moment
    return moment


def test_oldest_messages_go_first(ledger: Ledger) -> None:
    """Messages first seen earliest are pruned first, until a batch finds none."""
    for number in range(5):
        handle(ledger, message_id=f"M{number}")
    assert ledger.prune(before=later(), limit=2) == 2
    assert left(ledger) == {"M2", "M3", "M4"}
    assert ledger.prune(before=later(), limit=2) == 2
    assert left(ledger) == {"M4"}
    assert ledger.prune(before=later(), limit=2) == 1
    assert ledger.prune(before=later(), limit=2) == 0


def test_receiver_keeps_its_own(ledger: Ledger) -> None:
    """Pruning for one receiver leaves messages with an event of another."""
    handle(ledger, message_id="of a", receiver="a")
    handle(ledger, "SENT", message_id="of a", receiver="a")
    handle(ledger, message_id="of b", receiver="b")
    for first, second in ("ab", "ba"):
        handle(ledger, message_id=f"of {first}, then {second}", receiver=first)
        handle(ledger, "SENT", message_id=f"of {first}, then {second}", receiver=second)
    assert ledger.prune(before=later(), limit=10, receiver="a") == 1
    assert left(ledger) == {"of b", "of a, then b", "of b, then a"}
    assert ledger.prune(before=later(), limit=10, receiver="c") == 0
    assert ledger.prune(before=later(), limit=10) == 3


def test_batches_of_receiver(ledger: Ledger) -> None:
    """A receiver's batch is full unless no more are left, however many events a message has."""
    for number in range(5):
        for status in ("QUEUED", "SENT", "READ"):
            handle(ledger, status, message_id=f"M{number}", receiver="a")
            handle(ledger, status, message_id=f"N{number}", receiver="b")
    counts = [ledger.prune(before=later(), limit=2, receiver="a") for _ in range(4)]
    assert counts == [2, 2, 1, 0]
    assert left(ledger) == {f"N{number}" for number in range(5)}


def test_several_receivers_together(ledger: Ledger) -> None:
    """Pruning for several receivers covers messages of one or more of them only."""
    for message_id, receivers in (("1", "a"), ("2", "ab"), ("3", "ba"), ("4", "ac"), ("5", "c")):
        for receiver, status in zip(receivers, ("QUEUED", "SENT"), strict=False):
            handle(ledger, status, message_id=message_id, receiver=receiver)
    assert ledger.overview.receivers() == ["a", "b", "c"]
    assert ledger.prune(before=later(), limit=10, receiver=["a", "b"]) == 3
    assert left(ledger) == {"4", "5"}
    assert ledger.overview.receivers() == ["a", "c"]


def test_nobody_has_events(ledger: Ledger) -> None:
    """An empty ledger has events of no receiver."""
    assert ledger.overview.receivers() == []


@pytest.mark.parametrize("receiver", [None, RECEIVER])
def test_what_others_have_locked(sql_ledger: SQLLedger, receiver: str | None) -> None:
    """Locked messages are left for later, and do not hold up the others."""
    if sql_ledger.engine.dialect.name == "sqlite":
        pytest.skip("SQLite locks no rows")
    for number in range(5):
        handle(sql_ledger, message_id=f"M{number}")
    table = metadata.tables["fd_whatsapp_message"]
    locked = select(table.c.id).where(table.c.message_id.in_(["M0", "M1", "M2"]))
    with sql_ledger.engine.begin() as connection:
        connection.execute(locked.with_for_update()).all()
        counts = [sql_ledger.prune(before=later(), limit=2, receiver=receiver) for _ in range(3)]
    assert (sum(counts), counts[-1]) == (2, 0)
    assert left(sql_ledger) == {"M0", "M1", "M2"}
    assert sql_ledger.prune(before=later(), limit=9, receiver=receiver) == 3


def test_receiver_keeps_what_is_recent_or_unfinished(ledger: Ledger) -> None:
    """For a receiver, too, only old and finished messages are pruned."""
    handle(ledger, message_id="old", receiver="a")
    heard = age(ledger)
    handle(ledger, message_id="new", receiver="a")
    ledger.record(entry(message_id="waiting", receiver="a"), POLICY, claim=False)
    assert ledger.prune(before=heard, limit=10, receiver="a") == 0
    assert ledger.prune(before=later() - timedelta(days=1, hours=1), limit=10, receiver="a") == 1
    assert ledger.prune(before=later(), limit=10, receiver="a") == 1
    assert left(ledger) == {"waiting"}


def test_dead_goes(ledger: Ledger) -> None:
    """A dead event is finished, and pruned when old."""
    exhaust(ledger)
    assert ledger.prune(before=later(), limit=10) == 1


def test_nothing_is_left_behind(sql_ledger: SQLLedger) -> None:
    """No row of a pruned message stays, except its digest and its day's figures."""
    _, claim = claimed(sql_ledger)
    claim.succeeded("handler")
    sql_ledger.record(entry("SENT"), POLICY)
    claim.finish(FAILED)
    handle(sql_ledger, "QUEUED")
    handle(sql_ledger, "SENT")
    assert sql_ledger.prune(before=later(), limit=10) == 1
    with sql_ledger.engine.connect() as connection:
        for table in {*metadata.sorted_tables} - {aggregate, forgotten}:
            assert connection.execute(select(table)).all() == []


@pytest.mark.parametrize("receiver", [None, RECEIVER])
@pytest.mark.parametrize("place", range(1, 6))
def test_new_event_meanwhile(sql_ledger: SQLLedger, receiver: str | None, place: int) -> None:
    """An event recorded while its message is being pruned, at any step, is not lost."""
    handle(sql_ledger)
    heard = age(sql_ledger)
    recording = Thread(target=lambda: sql_ledger.record(entry("SENT"), POLICY, claim=False))
    places = count(1)

    def meanwhile(*_: Any) -> None:
        if current_thread() is not recording and next(places) == place:
            recording.start()
            recording.join(0.1)  # ends at once if nothing makes it wait

    events.listen(sql_ledger.engine, "after_cursor_execute", meanwhile)
    try:
        sql_ledger.prune(before=heard + timedelta(days=1), limit=10, receiver=receiver)
    finally:
        events.remove(sql_ledger.engine, "after_cursor_execute", meanwhile)
    recording.join(TIMEOUT)
    assert [event.status for event in sql_ledger.events(state=State.PENDING)] == ["SENT"]


def test_compacting_keeps_what_is_recorded(ledger: Ledger) -> None:
    """Compacting does not change the data, and events are recorded afterwards."""
    handle(ledger)
    ledger.maintenance.compact()
    assert left(ledger) == {"M1"}
    handle(ledger, message_id="M2")
    assert left(ledger) == {"M1", "M2"}


def test_what_another_receiver_expects_is_kept(ledger: Ledger) -> None:
    """A message that a receiver has sent, without events, is that receiver's."""
    sent_at = datetime.now(UTC) - timedelta(days=100)
    for name in ("one", "two"):
        ledger.send_record.expect(
            Expected(account_id="1", message_id=name, receiver=name, sent_at=sent_at)
        )
    ledger.prune(before=later(), limit=10, receiver="one")
    assert ledger.message("two") is not None


@pytest.mark.parametrize("whose", ["its own", "nobody's", "sent"])
def test_what_was_expected_and_never_heard_of_goes(ledger: Ledger, whose: str) -> None:
    """An ordinary pruning of its receiver forgets it, once it is old, however it was recorded."""
    if whose == "its own":
        expected = Expected(account_id="1", message_id="unheard", receiver=RECEIVER)
        ledger.send_record.expect(expected)
    elif whose == "nobody's":
        ledger.expect("unheard", account_id="1")
    else:
        intent = SendIntent(receiver=RECEIVER, account_id="1", external_reference_id="R1")
        ledger.send_record.sent(ledger.send_record.intend(intent), "unheard")
    ledger.expect("heard", account_id="1")
    handle(ledger, message_id="heard", receiver="other")
    ledger.expect("pending", account_id="1")
    ledger.record(entry(message_id="pending"), POLICY, claim=False)
    sent = datetime.now(UTC)
    assert ledger.prune(before=sent - timedelta(days=1), limit=10, receiver=RECEIVER) == 0
    assert ledger.prune(before=later(), limit=10, receiver=RECEIVER) == 1
    assert ledger.message("unheard") is None
    assert ledger.message("heard") is not None
    assert ledger.message("pending") is not None
    assert ledger.sends() == []
    assert ledger.prune(before=later(), limit=10, receiver=RECEIVER) == 0
