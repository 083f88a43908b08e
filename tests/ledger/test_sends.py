from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import update

from flask_fd_whatsapp.ledger import Ledger, MemoryLedger
from flask_fd_whatsapp.ledger.records import OneAccount
from flask_fd_whatsapp.ledger.send_records import Send, SendFilter, SendIntent, SendState
from flask_fd_whatsapp.ledger.sql import SQLLedger, send_queries, send_settlement
from flask_fd_whatsapp.ledger.sql.tables import send as send_table

from ..concurrency.threads import TIMEOUT
from .entries import MOMENT, RECEIVER, handle, the_message

INTENT = SendIntent(receiver=RECEIVER, account_id="1", external_reference_id="R1")
ONCE = replace(INTENT, once=True)
LONG = "line\n" * 300


def intend(ledger: Ledger, **changes: Any) -> Any:
    send_id = ledger.send_record.intend(replace(INTENT, **changes))
    assert not isinstance(send_id, Send)
    return send_id


def unknown(ledger: Ledger, **changes: Any) -> Any:
    """A send whose answer did not arrive."""
    send_id = intend(ledger, **changes)
    ledger.send_record.failed(send_id, SendState.UNKNOWN, "no answer")
    return send_id


def make_sends_older(ledger: Ledger, age: timedelta) -> None:
    """Make every send this old."""
    if isinstance(ledger, SQLLedger):
        with ledger.engine.begin() as connection:
            connection.execute(update(send_table).values(created_at=datetime.now(UTC) - age))
    else:
        assert isinstance(ledger, MemoryLedger)
        sends = ledger.send_record._sends.by_id  # type: ignore[attr-defined]
        for send_id, send in list(sends.items()):
            sends[send_id] = replace(send, created_at=datetime.now(UTC) - age)


def states(ledger: Ledger) -> list[str]:
    """The states of all sends, in order."""
    return [one.state for one in reversed(ledger.sends())]


def the_send(ledger: Ledger, send_id: Any) -> Send:
    (found,) = [one for one in ledger.sends() if one.id == send_id]
    return found


def test_a_message_is_there_as_soon_as_it_was_sent(ledger: Ledger) -> None:
    """A sent message's id and its row, without a status, are stored together."""
    send_id = intend(ledger, template="order_update", language="en", campaign="spring")
    assert the_send(ledger, send_id).state is SendState.SENDING
    ledger.send_record.sent(send_id, "M1")
    found = the_message(ledger)
    assert (found.status, found.times, found.external_reference_id) == (None, {}, "R1")
    assert (found.template, found.language, found.campaign) == ("order_update", "en", "spring")
    assert found.expected_at is not None
    send = the_send(ledger, send_id)
    assert (send.state, send.message_id, send.receiver) == (SendState.SENT, "M1", RECEIVER)
    assert send.settled_at is not None
    assert ledger.messages(external_reference_id="R1") == [found]
    assert sum(ledger.counts().values()) == 0


def test_what_comes_later_fills_the_message_in(ledger: Ledger) -> None:
    """The first event of a message that was sent gives it its status."""
    ledger.send_record.sent(intend(ledger, campaign="spring"), "M1")
    handle(ledger, "SENT", message_id="M1")
    found = the_message(ledger)
    assert (found.status, found.external_reference_id, found.campaign) == ("SENT", "R1", "spring")


def test_what_came_before_the_answer_stays(ledger: Ledger) -> None:
    """A webhook that precedes the answer keeps its status, and gets the template."""
    send_id = intend(ledger, template="order_update")
    handle(ledger, "DELIVERED", message_id="M1", reference="R1")
    ledger.send_record.sent(send_id, "M1")
    found = the_message(ledger)
    assert (found.status, found.template) == ("DELIVERED", "order_update")


@pytest.mark.parametrize("reference", ["R1", LONG, "r\ud800\x00"])
def test_a_reference_of_any_kind_is_found(ledger: Ledger, reference: str) -> None:
    """Sends and messages are found by a reference of any length and content."""
    ledger.send_record.sent(intend(ledger, external_reference_id=reference), "M1")
    assert [one.message_id for one in ledger.sends(external_reference_id=reference)] == ["M1"]
    assert [one.message_id for one in ledger.messages(external_reference_id=reference)] == ["M1"]
    assert ledger.sends(external_reference_id="other") == []


def test_the_filters_of_sends(ledger: Ledger) -> None:
    """Sends are listed newest first, by state and campaign, as many as are asked for."""
    ids = [intend(ledger, external_reference_id=f"R{n}", campaign=f"C{n % 2}") for n in range(4)]
    ledger.send_record.failed(ids[0], SendState.REFUSED, "missing_field")
    ledger.send_record.failed(ids[1], SendState.UNSENT, "no connection")
    ledger.send_record.sent(ids[2], "M2")
    assert [one.id for one in ledger.sends()] == ids[::-1]
    assert [one.id for one in ledger.sends(limit=1)] == ids[3:]
    assert [one.id for one in ledger.sends(campaign="C0")] == [ids[2], ids[0]]
    for place, state in enumerate(("refused", "unsent", "sent", "sending")):
        assert [one.id for one in ledger.sends(state=state)] == [ids[place]]
    assert the_send(ledger, ids[0]).error == "missing_field"
    with pytest.raises(ValueError, match="lost"):
        ledger.sends(state="lost")


def test_once_means_once(ledger: Ledger) -> None:
    """With ``once`` a receiver uses a reference once, in whatever way it was used before."""
    first = intend(ledger)
    earlier = ledger.send_record.intend(ONCE)
    assert isinstance(earlier, Send)
    assert earlier.id == first
    ledger.send_record.sent(intend(ledger, once=True, external_reference_id="R2"), "M2")
    again = ledger.send_record.intend(replace(ONCE, external_reference_id="R2"))
    assert isinstance(again, Send)
    assert (again.state, again.message_id) == ("sent", "M2")
    assert not isinstance(ledger.send_record.intend(replace(ONCE, receiver="other")), Send)


@pytest.mark.parametrize("state", [SendState.REFUSED, SendState.UNSENT])
def test_what_was_not_sent_releases_its_reference(ledger: Ledger, state: SendState) -> None:
    """A refused or unsent send frees the reference."""
    ledger.send_record.failed(intend(ledger, once=True), state, "no")
    assert not isinstance(ledger.send_record.intend(ONCE), Send)


def test_an_unknown_send_keeps_its_reference(ledger: Ledger) -> None:
    """An unknown send may have been sent; closed by hand, it was not."""
    send_id = unknown(ledger, once=True)
    assert isinstance(ledger.send_record.intend(ONCE), Send)
    assert ledger.send_record.close(send_id)
    assert not ledger.send_record.close(send_id)
    assert the_send(ledger, send_id).state is SendState.UNSENT
    assert not isinstance(ledger.send_record.intend(ONCE), Send)


def test_once_is_for_each_account(ledger: Ledger) -> None:
    """One account's send does not block another account of the receiver, nor is it shown for it."""
    first = ledger.send_record.intend(ONCE)
    ledger.send_record.sent(first, "M1")
    second = ledger.send_record.intend(replace(ONCE, account_id="2"))
    assert not isinstance(second, Send)
    ledger.send_record.sent(second, "M2")
    again = ledger.send_record.intend(replace(ONCE, account_id="2"))
    assert isinstance(again, Send)
    assert (again.account_id, again.message_id) == ("2", "M2")


def test_of_many_at_once_one_may_send(ledger: Ledger) -> None:
    """Of several threads that send with one reference, ``once`` admits one."""
    barrier = Barrier(4)

    def attempt(_: int) -> bool:
        barrier.wait(TIMEOUT)
        return not isinstance(ledger.send_record.intend(ONCE), Send)

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(attempt, range(4))) == 1
    assert len(ledger.sends()) == 1


def test_a_send_whose_process_died_is_unknown_after_two_minutes(ledger: Ledger) -> None:
    """What is still ``sending`` after two minutes counts as unknown."""
    send_id = intend(ledger)
    make_sends_older(ledger, timedelta(seconds=110))
    assert states(ledger) == ["sending"]
    assert not ledger.send_record.close(send_id)
    make_sends_older(ledger, timedelta(seconds=130))
    assert states(ledger) == ["unknown"]
    assert [one.id for one in ledger.sends(state="unknown")] == [send_id]
    assert ledger.sends(state="sending") == []


def test_an_unknown_send_is_settled_by_its_only_message(ledger: Ledger) -> None:
    """A single unknown send became the single message with its reference."""
    send_id = unknown(ledger, template="order_update")
    assert states(ledger) == ["unknown"]
    handle(ledger, "SENT", message_id="M9", reference="R1")
    send = the_send(ledger, send_id)
    assert (send.state, send.message_id, send.candidates) == ("sent", "M9", ())
    assert the_message(ledger, "M9").template == "order_update"


@pytest.mark.parametrize(
    ("meanwhile", "candidates"),
    [
        (lambda ledger: handle(ledger, "SENT", message_id="M8", reference="R1"), ("M9", "M8")),
        (lambda ledger: unknown(ledger), ("M9",)),
        (lambda ledger: intend(ledger), ("M9",)),
    ],
    ids=["two messages", "two unknown sends", "one under way"],
)
def test_what_is_not_certain_stays_unknown(
    ledger: Ledger, meanwhile: Callable[[Ledger], Any], candidates: tuple[str, ...]
) -> None:
    """With repeated references a send stays unknown, and its candidates are shown."""
    send_id = unknown(ledger)
    handle(ledger, "SENT", message_id="M9", reference="R1")
    meanwhile(ledger)
    send = the_send(ledger, send_id)
    assert (send.state, set(send.candidates)) == ("unknown", set(candidates))


def test_earlier_messages_and_those_of_other_sends_are_no_candidates(ledger: Ledger) -> None:
    """A message seen before, or of another send or account, settles nothing."""
    handle(ledger, "SENT", message_id="M1", reference="R1")
    ledger.send_record.sent(intend(ledger), "M2")
    send_id = unknown(ledger)
    handle(ledger, "SENT", message_id="M3", reference="R1", account_id="2")
    handle(ledger, "SENT", message_id="M2", reference="R1")
    assert the_send(ledger, send_id).candidates == ()
    assert states(ledger) == ["sent", "unknown"]


def test_all_that_can_be_settled_is_settled(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sends that can be settled are, however many stay unknown."""
    monkeypatch.setattr(send_settlement, "AT_ONCE", 2)
    for number in range(9):
        unknown(ledger, external_reference_id=f"R{number}")
    for number in (2, 5, 8):
        handle(ledger, "SENT", message_id=f"M{number}", reference=f"R{number}")
    assert ledger.send_record.settle() == 3
    assert Counter(states(ledger)) == {"unknown": 6, "sent": 3}


def test_an_answer_beats_an_earlier_settlement(ledger: Ledger) -> None:
    """A late answer's id overrides an earlier settlement."""
    send_id = unknown(ledger)
    handle(ledger, "SENT", message_id="M9", reference="R1")
    assert states(ledger) == ["sent"]
    ledger.send_record.sent(send_id, "M1")
    assert the_send(ledger, send_id).message_id == "M1"
    ledger.send_record.failed(send_id, SendState.UNKNOWN, "late")
    assert states(ledger) == ["sent"]


def test_what_a_client_of_the_hosts_own_sent(ledger: Ledger) -> None:
    """``expect`` stores a message without events, and completes a known one."""
    ledger.expect("M1", account_id="1", external_reference_id="R1", sent_at=MOMENT)
    found = the_message(ledger)
    assert (found.status, found.expected_at, found.external_reference_id) == (None, MOMENT, "R1")
    handle(ledger, "SENT", message_id="M2")
    ledger.expect("M2", template="t", campaign="c")
    found = the_message(ledger, "M2")
    assert (found.status, found.template, found.campaign) == ("SENT", "t", "c")
    with pytest.raises(TypeError, match="account_id"):
        ledger.expect("M3")


def test_messages_without_a_status_are_safe_to_ask_about(ledger: Ledger) -> None:
    """Queries work with a message without events."""
    ledger.expect("M1", account_id="1", external_reference_id="R1", campaign="c")
    assert ledger.counts(campaign="c") == dict.fromkeys(ledger.counts(), 0)
    assert [one.message_id for one in ledger.messages(message_ids=["M1"])] == ["M1"]
    assert ledger.events(message_id="M1") == []
    assert ledger.overview.backlog().pending == 0


@pytest.mark.parametrize("receiver", [None, RECEIVER])
def test_sends_are_pruned_with_their_messages(ledger: Ledger, receiver: str | None) -> None:
    """A pruned message takes its send along; a send without a message is pruned at the same age."""
    ledger.send_record.sent(intend(ledger), "M1")
    handle(ledger, "READ", message_id="M1")
    ledger.send_record.sent(intend(ledger, external_reference_id="R2"), "M2")
    unknown(ledger, external_reference_id="R3")
    other = unknown(ledger, external_reference_id="R4", receiver="other")
    long_ago = datetime.now(UTC) - timedelta(days=1)
    assert ledger.prune(before=long_ago, limit=10, receiver=receiver) == 0
    assert len(ledger.sends()) == 4
    soon = datetime.now(UTC) + timedelta(minutes=1)
    gone = 0
    while count := ledger.prune(before=soon, limit=10, receiver=receiver):
        gone += count
    assert gone == 2
    assert [one.id for one in ledger.sends()] == ([] if receiver is None else [other])
    assert ledger.message("M1") is ledger.message("M2") is None


def test_sends_are_pruned_as_long_after_as_their_account_is(ledger: Ledger) -> None:
    """A send without a message is kept as long as its account's messages."""
    first = unknown(ledger, external_reference_id="R1", account_id="1")
    unknown(ledger, external_reference_id="R2", account_id="2")
    soon = datetime.now(UTC) + timedelta(minutes=1)
    prune = partial(ledger.maintenance.prune, before=soon, limit=10, receiver=RECEIVER)
    prune(except_accounts=["1", "2"])
    assert len(ledger.sends()) == 2
    prune(account_ids=["2"])
    assert [one.id for one in ledger.sends()] == [first]
    prune(except_accounts=["2"])
    assert ledger.sends() == []


def test_what_was_sent_and_not_heard_of(ledger: Ledger) -> None:
    """Sends since the last webhook are reported, and unknown ones."""
    record = ledger.send_record
    assert record.standing(RECEIVER) == (0, None)
    record.sent(intend(ledger), "M1")
    unheard = the_send(ledger, ledger.sends()[0].id).created_at
    assert record.standing(RECEIVER) == (0, unheard)
    assert record.standing("other") == (0, None)
    assert [one.message_id for one in record.listed(SendFilter(is_unheard=True))] == ["M1"]
    handle(ledger, "QUEUED", message_id="M1")
    assert record.listed(SendFilter(is_unheard=True)) == []
    unknown(ledger, external_reference_id="R2")
    assert record.standing(RECEIVER) == (1, None)


def test_what_one_account_sent_and_did_not_hear_of(ledger: Ledger) -> None:
    """Another account's sends and webhooks do not count for this one."""
    record = ledger.send_record
    acme, other = (OneAccount(f"{RECEIVER}/{key}", [key]) for key in ("1", "2"))
    record.sent(intend(ledger, account_id="1"), "M1")
    unheard = the_send(ledger, ledger.sends()[0].id).created_at
    unknown(ledger, external_reference_id="R2", account_id="1")
    handle(ledger, "QUEUED", message_id="M2", account_id="2")
    assert record.standing(RECEIVER, acme) == (1, unheard)
    assert record.standing(RECEIVER, other) == (0, None)
    handle(ledger, "QUEUED", message_id="M1", account_id="1")
    assert record.standing(RECEIVER, acme) == (1, None)


def test_sends_come_page_by_page(ledger: Ledger) -> None:
    """Pages have no gaps or duplicates, even for sends with equal times."""
    ids = [
        intend(ledger, campaign="spring", external_reference_id=f"R{number}") for number in range(5)
    ]
    make_sends_older(ledger, timedelta(minutes=1))
    for wanted in (SendFilter(limit=2), SendFilter(campaign="spring", limit=2)):
        pages, before = [], None
        while page := ledger.send_record.listed(wanted._replace(before=before)):
            pages.append([one.id for one in page])
            before = page[-1].place
        assert pages == [[ids[4], ids[3]], [ids[2], ids[1]], [ids[0]]]


@pytest.mark.parametrize("many", [0, 1000])
def test_the_unheard_among_many(ledger: Ledger, many: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unheard sends are found, however many messages have no status."""
    monkeypatch.setattr(send_queries, "MANY", many)
    for number in range(3):
        ledger.send_record.sent(intend(ledger, external_reference_id=f"R{number}"), f"M{number}")
    handle(ledger, "QUEUED", message_id="M1")
    handle(ledger, "PLAYED", message_id="M2")  # which is not a known status, and an event
    unheard = ledger.send_record.listed(SendFilter(is_unheard=True))
    assert [one.message_id for one in unheard] == ["M0"]
