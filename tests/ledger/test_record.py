from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from flask_fd_whatsapp.events import DeliveryError, Status
from flask_fd_whatsapp.exceptions import AmbiguousMessage
from flask_fd_whatsapp.ledger import Ledger, State

from .entries import MOMENT, POLICY, entry, handle, the_event, the_message


def test_new(ledger: Ledger) -> None:
    """A new event is pending, claimed, counted as tried, and comes back as it was recorded."""
    recorded = ledger.record(entry("SENT", body='{"a": 1}', headers={"X-Data": "d"}), POLICY)
    assert recorded.claim is not None
    assert (recorded.state, recorded.body, recorded.headers) == (
        State.PENDING,
        '{"a": 1}',
        {"X-Data": "d"},
    )
    assert (recorded.succeeded, recorded.superseded, recorded.has_died) == (frozenset(), False, 0)
    event = the_event(ledger, recorded.id)
    assert (event.status, event.attempts, event.state) == ("SENT", 1, State.PENDING)
    assert (event.timestamp, event.last_error, event.receiver) == (MOMENT, None, "fd_whatsapp")


def test_recorded_without_claim(ledger: Ledger) -> None:
    """An event recorded for later is not claimed, has not been tried, and is due at once."""
    recorded = ledger.record(entry(), POLICY, claim=False)
    assert recorded.claim is None
    assert the_event(ledger, recorded.id).attempts == 0
    assert list(ledger.due(receiver="fd_whatsapp", limit=10)) == [recorded.id]


@pytest.mark.parametrize(
    "other",
    [
        {"account_id": "2"},
        {"message_id": "M2"},
        {"status": "PLAYED"},
        {"account_id": "A"},
        {"account_id": "a "},
        {"message_id": "m1"},
        {"message_id": "M1 "},
        {"message_id": "M1\u00a0"},
        {"message_id": "M\u0131"},
        {"message_id": "\u0645\u0631\u062d\u0628\u0627"},
        {"message_id": "\U0001f44b"},
        {"status": "queued"},
        {"status": "QUEUED "},
    ],
    ids=ascii,
)
def test_identity(ledger: Ledger, other: dict[str, str]) -> None:
    """Account, message and status make an event, each compared to the letter and the space."""
    first = handle(ledger, account_id="a")
    recorded = ledger.record(entry(**{"account_id": "a", **other}), POLICY)
    assert recorded.state is State.PENDING
    assert recorded.id != first
    assert ledger.record(entry(account_id="a"), POLICY).state is State.DONE
    keys = {(e.account_id, e.message_id, e.status) for e in ledger.events()}
    wanted = {"account_id": "a", "message_id": "M1", "status": "QUEUED", **other}
    assert keys == {("a", "M1", "QUEUED"), tuple(wanted.values())}


def test_duplicate(ledger: Ledger) -> None:
    """A duplicate gives what was recorded first, whatever receiver, time or body it has."""
    event_id = handle(ledger, body="first")
    again = ledger.record(
        entry(body="second", receiver="other", timestamp=MOMENT.replace(year=2026)), POLICY
    )
    assert (again.id, again.state, again.claim, again.body) == (
        event_id,
        State.DONE,
        None,
        "first",
    )
    assert (the_event(ledger, event_id).timestamp, len(ledger.events())) == (MOMENT, 1)
    assert the_message(ledger).times == {"QUEUED": MOMENT}


STATES = [
    ("SENT", None, False, "SENT"),
    ("QUEUED SENT", "QUEUED", False, "SENT"),
    ("SENT QUEUED", "SENT", True, "SENT"),
    ("SENT FAILED", "SENT", False, "FAILED"),
    ("FAILED SENT", "FAILED", True, "FAILED"),
    ("FAILED DELIVERED", "FAILED", False, "DELIVERED"),
    ("DELIVERED FAILED", "DELIVERED", True, "DELIVERED"),
    ("FAILED READ", "FAILED", False, "READ"),
    ("READ DELIVERED", "READ", True, "READ"),
    ("PLAYED", None, True, None),
    ("PLAYED SENT", None, False, "SENT"),
    ("SENT PLAYED", "SENT", True, "SENT"),
    ("READ SENT QUEUED", "READ", True, "READ"),
]


@pytest.mark.parametrize(("statuses", "before", "is_stale", "after"), STATES)
def test_rank(ledger: Ledger, statuses: str, before: str, is_stale: bool, after: str) -> None:
    """An event knows what its message was before it, and moves it forward or is stale."""
    for status in statuses.split():
        event_id = handle(ledger, status)
    recorded = ledger.claim(event_id, POLICY, settled=True)
    assert recorded is not None
    assert (recorded.previous_status, recorded.is_stale) == (before, is_stale)
    assert before is None or isinstance(recorded.previous_status, Status)
    message = the_message(ledger)
    assert message.status == after
    assert message.times == dict.fromkeys(statuses.split(), MOMENT)


def test_superseded(ledger: Ledger) -> None:
    """A pending event is superseded once its message has moved past it."""
    ledger.record(entry("SENT"), POLICY, claim=False)
    assert not ledger.record(entry("SENT"), POLICY, claim=False).superseded
    ledger.record(entry("READ"), POLICY, claim=False)
    assert ledger.record(entry("SENT"), POLICY, claim=False).superseded
    assert not ledger.record(entry("READ"), POLICY, claim=False).superseded


@pytest.mark.parametrize("settled", [True, False])
@pytest.mark.parametrize("claim", [True, False])
@pytest.mark.parametrize("status", ["QUEUED", "PLAYED"])
def test_reference_is_learned(ledger: Ledger, status: str, claim: bool, settled: bool) -> None:
    """Reference and campaign are taken from whichever event has them, a duplicate too."""
    if settled:
        handle(ledger)
    else:
        ledger.record(entry(), POLICY, claim=False)
    with_it = entry(status, reference="R1", campaign="spring")
    recorded = ledger.record(with_it, POLICY, claim=claim)
    assert (recorded.external_reference_id, recorded.campaign) == ("R1", "spring")
    ledger.record(entry("READ", reference="R2", campaign="autumn"), POLICY)
    message = the_message(ledger)
    assert (message.external_reference_id, message.campaign) == ("R1", "spring")
    assert ledger.messages(external_reference_id="R1") == [message]


def test_campaign_is_learned_later(ledger: Ledger) -> None:
    """A campaign that becomes known after the reference is taken, from a duplicate too."""
    handle(ledger, reference="R1")
    ledger.record(entry(reference="R1", campaign="spring"), POLICY)
    assert the_message(ledger).campaign == "spring"


ERRORS: list[Any] = [
    DeliveryError("131026", "Undeliverable"),
    DeliveryError("INVALID", None),
    DeliveryError(None, "no code"),
    None,
]


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("later", ["DELIVERED", "SENT"])
def test_error(ledger: Ledger, error: DeliveryError | None, later: str) -> None:
    """Why a message failed stays known, whatever comes after it; the first report of it counts."""
    handle(ledger, "FAILED", error=error)
    handle(ledger, later)
    assert the_message(ledger).error == error
    if error is not None:
        ledger.record(entry("FAILED", error=DeliveryError("other", "other")), POLICY)
        assert the_message(ledger).error == error


def test_error_of_another_status(ledger: Ledger) -> None:
    """An error that comes with another status than FAILED is not why the message failed."""
    handle(ledger, "SENT", error=DeliveryError("1", "odd"))
    assert the_message(ledger).error is None


def test_message_of_two_accounts(ledger: Ledger) -> None:
    """A message id that two accounts share needs the account, and they stay apart."""
    handle(ledger, "READ", account_id="A")
    handle(ledger, "SENT", account_id="B")
    with pytest.raises(AmbiguousMessage, match=r"account_id"):
        ledger.message("M1")
    assert the_message(ledger, account_id="A").status == "READ"
    assert the_message(ledger, account_id="B").status == "SENT"
    assert ledger.message("M1", "C") is None
    assert ledger.message("M2") is None


def test_status_as_plain_text(ledger: Ledger) -> None:
    """A known status that a schema of the host's left as plain text is that status."""
    made = entry("SENT")
    recorded = ledger.record(replace(made, event=replace(made.event, status="SENT")), POLICY)
    assert not recorded.is_stale
    assert the_message(ledger).status is Status.SENT
    assert ledger.record(made, POLICY).id == recorded.id
