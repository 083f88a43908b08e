from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest

from flask_fd_whatsapp.events import DeliveryError, Status
from flask_fd_whatsapp.exceptions import AmbiguousMessage
from flask_fd_whatsapp.ledger import Ledger, State

from .entries import MOMENT, POLICY, entry, handle, the_event, the_message


def test_new_event_is_pending_and_claimed(ledger: Ledger) -> None:
    """A new event is pending, claimed, counted as attempted, and returned as recorded."""
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
    """An event recorded for later is not claimed or attempted, and due at once."""
    recorded = ledger.record(entry(), POLICY, claim=False)
    assert recorded.claim is None
    assert the_event(ledger, recorded.id).attempts == 0
    assert list(ledger.reservations.due(receiver="fd_whatsapp", limit=10)) == [recorded.id]


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
def test_account_message_and_status_make_an_event(ledger: Ledger, other: dict[str, str]) -> None:
    """Account, message and status make an event, each compared to the letter and the space."""
    first = handle(ledger, account_id="a")
    recorded = ledger.record(entry(**{"account_id": "a", **other}), POLICY)
    assert recorded.state is State.PENDING
    assert recorded.id != first
    assert ledger.record(entry(account_id="a"), POLICY).state is State.DONE
    keys = {(e.account_id, e.message_id, e.status) for e in ledger.events()}
    wanted = {"account_id": "a", "message_id": "M1", "status": "QUEUED", **other}
    assert keys == {("a", "M1", "QUEUED"), tuple(wanted.values())}


def test_duplicate_gives_what_was_recorded_first(ledger: Ledger) -> None:
    """A duplicate returns what was recorded first, whatever its receiver, time or body."""
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
    ("PLAYED", None, False, None),
    ("PLAYED SENT", None, False, "SENT"),
    ("SENT PLAYED", "SENT", False, "SENT"),
    ("READ SENT QUEUED", "READ", True, "READ"),
]


@pytest.mark.parametrize(("statuses", "before", "is_stale", "after"), STATES)
def test_event_moves_its_message_by_rank(
    ledger: Ledger, statuses: str, before: str, is_stale: bool, after: str
) -> None:
    """An event has its message's previous status, and moves it or is stale, if it has a rank."""
    for status in statuses.split():
        event_id = handle(ledger, status)
    recorded = ledger.claim(event_id, POLICY, settled=True)
    assert recorded is not None
    assert (recorded.previous_status, recorded.is_stale) == (before, is_stale)
    assert before is None or isinstance(recorded.previous_status, Status)
    message = the_message(ledger)
    assert message.status == after
    assert message.times == dict.fromkeys(statuses.split(), MOMENT)


def test_pending_event_is_superseded(ledger: Ledger) -> None:
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
    """Reference and campaign are taken from any event that has them, even a duplicate."""
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
def test_first_reason_of_a_failure_stays(
    ledger: Ledger, error: DeliveryError | None, later: str
) -> None:
    """The reason of a failure stays known; the first report counts."""
    handle(ledger, "FAILED", error=error)
    handle(ledger, later)
    assert the_message(ledger).error == error
    if error is not None:
        ledger.record(entry("FAILED", error=DeliveryError("other", "other")), POLICY)
        assert the_message(ledger).error == error


FILLED_IN = [
    (None, DeliveryError("131026", "away"), DeliveryError("131026", "away")),
    (None, DeliveryError("131026"), DeliveryError("131026")),
    (None, DeliveryError(None, "away"), DeliveryError(None, "away")),
    (DeliveryError(), DeliveryError("131026", "away"), DeliveryError("131026", "away")),
    (DeliveryError("131026"), DeliveryError("131026", "away"), DeliveryError("131026", "away")),
    (DeliveryError("131026"), DeliveryError("1", "other"), DeliveryError("131026")),
    (DeliveryError("131026"), DeliveryError(None, "other"), DeliveryError("131026")),
    (DeliveryError(None, "away"), DeliveryError("1", "other"), DeliveryError(None, "away")),
    (DeliveryError("131026", "away"), DeliveryError("1", "other"), DeliveryError("131026", "away")),
    (DeliveryError("131026", "away"), None, DeliveryError("131026", "away")),
    (DeliveryError(), DeliveryError(), None),
]


@pytest.mark.parametrize(("first", "second", "known"), FILLED_IN, ids=repr)
@pytest.mark.parametrize("settled", [True, False])
def test_error_is_filled_in(
    ledger: Ledger,
    first: DeliveryError | None,
    second: DeliveryError | None,
    known: DeliveryError | None,
    settled: bool,
) -> None:
    """A second copy of FAILED supplies a missing reason, and changes nothing else."""
    if settled:
        handle(ledger, "FAILED", error=first)
    else:
        ledger.record(entry("FAILED", error=first), POLICY, claim=False)
    ledger.record(entry("READ"), POLICY)
    for _ in range(2):
        ledger.record(entry("FAILED", error=second), POLICY)
    message = the_message(ledger)
    assert (message.error, message.status) == (known, "READ")
    assert message.times == {"FAILED": MOMENT, "READ": MOMENT}


REFERENCES = {
    "short": "R1",
    "of 255": "\U0001f44b" * 255,
    "of 256": "\U0001f44b" * 256,
    "long": "x" * 60_000,
    "JSON": '{"order": "%s", "lines": [1,\n2]}' % ("7" * 280),
    "tab and line break": "a\tb\r\nc",
    "NUL and surrogate": "a\0b\ud800c",
    "long with NUL": "\0" * 300,
    "bidi": "\u202eR\u2028",
    "blank": " ",
    "like a digest": "sha256:" + "0" * 64,
}


@pytest.mark.parametrize("reference", REFERENCES.values(), ids=REFERENCES)
@pytest.mark.parametrize("is_late", [False, True])
def test_reference_of_any_length(ledger: Ledger, reference: str, is_late: bool) -> None:
    """A reference is kept in full and found by equality, whichever event has it."""
    kept = reference.replace("\0", "\ufffd").replace("\ud800", "\ufffd")
    if is_late:
        handle(ledger)
    recorded = ledger.record(entry(reference=reference), POLICY)
    assert recorded.external_reference_id == kept
    other = ledger.record(entry("READ", reference="other"), POLICY)
    assert other.external_reference_id == kept
    handle(ledger, message_id="M2", reference=reference + "x")
    message = the_message(ledger)
    assert message.external_reference_id == kept
    assert ledger.messages(external_reference_id=reference) == [message]
    events = ledger.events(external_reference_id=reference)
    assert {event.external_reference_id for event in events} == {kept}
    assert [event.status for event in events] == ["READ", "QUEUED"]


@pytest.mark.parametrize("is_late", [False, True], ids=["before", "later"])
def test_error_of_another_copy_is_given_with_the_event(ledger: Ledger, is_late: bool) -> None:
    """A retry gets the reason of a failure that arrived with another copy of the event."""
    reason = DeliveryError("131026", "away")
    first = ledger.record(entry("FAILED", error=None if is_late else reason), POLICY, claim=False)
    ledger.record(entry("FAILED", error=reason if is_late else None), POLICY, claim=False)
    again = ledger.claim(first.id, POLICY)
    assert again is not None
    assert (again.error, again.claim is not None) == (reason, True)


def test_digest_is_no_reference(ledger: Ledger) -> None:
    """The digest of a long reference does not find its messages."""
    reference = "x" * 256
    handle(ledger, reference=reference)
    digest = f"sha256:{hashlib.sha256(reference.encode()).hexdigest()}"
    assert ledger.messages(external_reference_id=digest) == []
    handle(ledger, message_id="M2", reference=digest)
    (found,) = ledger.messages(external_reference_id=digest)
    assert found.message_id == "M2"
    assert len(ledger.messages(external_reference_id=reference)) == 1


def test_error_of_another_status(ledger: Ledger) -> None:
    """An error with a status other than FAILED is not why the message failed."""
    handle(ledger, "SENT", error=DeliveryError("1", "odd"))
    assert the_message(ledger).error is None


def test_message_of_two_accounts(ledger: Ledger) -> None:
    """A message id that two accounts share needs the account, and the messages stay separate."""
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
    recorded = ledger.record(made._replace(event=replace(made.event, status="SENT")), POLICY)
    assert not recorded.is_stale
    assert the_message(ledger).status is Status.SENT
    assert ledger.record(made, POLICY).id == recorded.id
