from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from flask_fd_whatsapp.ledger import Ledger
from flask_fd_whatsapp.ledger.drift import MOST, Drift, DriftKind

from .entries import MOMENT, handle

DRIFT = Drift(
    receiver="fd_whatsapp",
    kind=DriftKind.FIELD,
    place="data.button",
    found="text",
    count=2,
    first_seen=MOMENT,
    last_seen=MOMENT,
    example="M1",
)


def test_drift_is_counted_and_dated(ledger: Ledger) -> None:
    """A drift seen again is counted, keeps its first time, and gets the latest example."""
    for message_id in ("M1", "M2"):
        handle(ledger, message_id=message_id)
    later = MOMENT + timedelta(1)
    again = replace(DRIFT, count=3, first_seen=later, last_seen=later, example="M2")
    ledger.drift.note([DRIFT])
    ledger.drift.note([again])
    assert ledger.drift.seen() == [replace(again, count=5, first_seen=MOMENT)]


def test_drift_of_each_kind_place_value_and_receiver_is_apart(ledger: Ledger) -> None:
    """Drifts that differ in any key field are separate, newest first."""
    handle(ledger, message_id="M1")
    lines = [
        replace(DRIFT, last_seen=MOMENT + timedelta(hours=5)),
        replace(DRIFT, kind=DriftKind.TYPE, last_seen=MOMENT + timedelta(hours=4)),
        replace(DRIFT, place="data.Button", last_seen=MOMENT + timedelta(hours=3)),
        replace(DRIFT, found="list", last_seen=MOMENT + timedelta(hours=2)),
    ]
    other = replace(DRIFT, receiver="other", example=None, last_seen=MOMENT + timedelta(hours=1))
    ledger.drift.note(lines)
    ledger.drift.note([other])
    assert ledger.drift.seen() == [*lines, other]
    assert ledger.drift.seen(receiver="other") == [other]
    assert ledger.drift.seen(receiver="none") == []


def test_what_was_not_seen_for_longest_makes_room(ledger: Ledger) -> None:
    """A limited number is kept for each receiver: the newest."""
    ledger.drift.note([replace(DRIFT, receiver="other", last_seen=MOMENT - timedelta(1))])
    for first in (0, MOST // 2, MOST):
        ledger.drift.note(
            [
                replace(DRIFT, place=f"data.f{number}", last_seen=MOMENT + timedelta(0, number))
                for number in range(first, first + MOST // 2)
            ],
        )
    kept = ledger.drift.seen(receiver="fd_whatsapp")
    assert len(kept) == MOST
    assert kept[0].place == f"data.f{MOST + MOST // 2 - 1}"
    assert kept[-1].place == f"data.f{MOST // 2}"
    assert len(ledger.drift.seen(receiver="other")) == 1


def test_message_that_is_not_recorded_is_no_example(ledger: Ledger) -> None:
    """Only a message in the ledger is an example."""
    ledger.drift.note([DRIFT])
    assert ledger.drift.seen() == [replace(DRIFT, example=None)]


def test_note_that_comes_after_an_erasure_names_no_erased_message(ledger: Ledger) -> None:
    """A drift found before an erasure and written after it does not bring an id back."""
    handle(ledger, message_id="M1")
    ledger.drift.note([DRIFT])
    ledger.maintenance.erase(message_id="M1")
    ledger.drift.note([DRIFT])
    assert ledger.drift.seen() == [replace(DRIFT, count=4, example=None)]


def test_pruned_message_is_no_example(ledger: Ledger) -> None:
    """A pruned message is no longer an example, and others stay."""
    handle(ledger, message_id="M1")
    ledger.drift.note([DRIFT])
    assert ledger.prune(before=datetime.now(UTC) + timedelta(1), limit=10) == 1
    handle(ledger, message_id="M2")
    other = replace(DRIFT, place="data.other", example="M2")
    ledger.drift.note([other])
    assert {one.place: one.example for one in ledger.drift.seen()} == {
        DRIFT.place: None,
        other.place: "M2",
    }


def test_message_of_another_account_stays_an_example(ledger: Ledger) -> None:
    """An id that two accounts have stays an example until both messages are gone."""
    for account_id in ("1", "2"):
        handle(ledger, message_id="M1", account_id=account_id)
    ledger.drift.note([DRIFT])
    for account_id, example in (("1", "M1"), ("2", None)):
        ledger.maintenance.erase(message_id="M1", account_id=account_id)
        assert [one.example for one in ledger.drift.seen()] == [example]
