"""What the ledger reports about events being handled right now."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from flask_fd_whatsapp.ledger import BeingHandled, Ledger, Tried

from .entries import FAILED, POLICY, RECEIVER, claimed, end_leases, entry, make_due

SLACK = timedelta(minutes=1)
"""The database's clock may be another machine's."""


def claim(ledger: Ledger, event_id: object, *, settled: bool = False) -> None:
    """Claim what was recorded before."""
    found = ledger.claim(event_id, POLICY, settled=settled)
    assert found is not None
    assert found.claim is not None


def the_one(ledger: Ledger) -> BeingHandled:
    (found,) = ledger.overview.being_handled()
    return found


def test_an_event_is_being_handled_until_its_attempt_ends(ledger: Ledger) -> None:
    """An event is being handled from being recorded to the end of its attempt, with the time
    since.
    """
    before = datetime.now(UTC) - SLACK
    recorded, held = claimed(ledger, "SENT")
    found = the_one(ledger)
    assert (found.receiver, found.event_id) == (RECEIVER, recorded.id)
    assert (found.account_id, found.message_id, found.status) == ("1", "M1", "SENT")
    assert before < found.since < datetime.now(UTC) + SLACK
    held.finish(Tried())
    assert ledger.overview.being_handled() == []


def test_only_what_is_claimed(ledger: Ledger) -> None:
    """Of a message's pending events only the one being handled is reported."""
    ledger.record(entry("QUEUED"), POLICY, claim=False)
    recorded, held = claimed(ledger, "SENT")
    ledger.record(entry("READ"), POLICY)
    assert the_one(ledger).event_id == recorded.id
    held.finish(Tried())
    assert ledger.overview.being_handled() == []


@pytest.mark.parametrize("by", ["delivery", "sweep"])
def test_a_later_attempt_is_reported_with_its_own_beginning(ledger: Ledger, by: str) -> None:
    """A later attempt is reported like the first one, with its own beginning."""
    recorded, held = claimed(ledger, "SENT")
    first = the_one(ledger).since
    held.finish(FAILED)
    make_due(ledger)
    if by == "sweep":
        claim(ledger, recorded.id)
    else:
        claimed(ledger, "SENT")
    found = the_one(ledger)
    assert found.event_id == recorded.id
    assert found.since > first


def test_lease_ended(ledger: Ledger) -> None:
    """An event of a dead process is not being handled once its lease has expired."""
    claimed(ledger)
    end_leases(ledger)
    assert ledger.overview.being_handled() == []


def test_replayed_event_is_not_told(ledger: Ledger) -> None:
    """A settled event that is being replayed is not reported."""
    recorded, held = claimed(ledger)
    held.finish(Tried())
    claim(ledger, recorded.id, settled=True)
    assert ledger.overview.being_handled() == []


def test_those_being_handled_are_selected_by_receiver(ledger: Ledger) -> None:
    """The events of one receiver can be selected, those handled longest first."""
    for number, receiver in enumerate(["a", "b", "a"]):
        claimed(ledger, message_id=f"M{number}", receiver=receiver)
    assert [one.message_id for one in ledger.overview.being_handled()] == ["M0", "M1", "M2"]
    assert [one.message_id for one in ledger.overview.being_handled(receiver="a")] == ["M0", "M2"]
    assert ledger.overview.being_handled(receiver="c") == []
