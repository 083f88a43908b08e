from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from flask_fd_whatsapp.ledger import Ledger, State
from flask_fd_whatsapp.ledger.send_records import (
    Send,
    SendFilter,
    SendIntent,
    SendStanding,
    SendState,
)
from flask_fd_whatsapp.ledger.sql import SQLLedger, forgetting
from flask_fd_whatsapp.ledger.sql.tables import send as send_table
from flask_fd_whatsapp.ledger.views import Erased

from .entries import POLICY, RECEIVER, claimed, end_leases, entry, exhaust, handle
from .test_drift import DRIFT


def erased(messages: int = 0, sends: int = 0, held: int = 0) -> Erased:
    return Erased(messages=messages, sends=sends, held=held)


def test_messages_of_a_reference_are_erased(ledger: Ledger) -> None:
    """Nothing is left of an erased reference, whatever its state; others stay, and so do the
    counts.
    """
    long = "line\n" * 300
    handle(ledger, message_id="M1", reference=long, campaign="spring")
    handle(ledger, "DELIVERED", message_id="M1")
    exhaust(ledger, message_id="M2", reference=long)
    handle(ledger, message_id="M3", reference="other")
    intent = SendIntent(receiver=RECEIVER, account_id="1", external_reference_id=long, once=True)
    ledger.send_record.intend(intent)
    before = ledger.engagement(times=False).total
    assert ledger.maintenance.erase(reference=long) == erased(messages=2, sends=1)
    assert [one.message_id for one in ledger.events()] == ["M3"]
    assert ledger.messages(external_reference_id=long) == []
    assert ledger.sends() == []
    after = ledger.engagement(times=False).total
    assert (after.known, after.delivered) == (before.known, before.delivered) == (3, 1)
    assert ledger.maintenance.erase(reference=long) == erased()


def test_message_of_one_account_is_erased(ledger: Ledger) -> None:
    """An id that two accounts have is erased only for the named one."""
    for account_id in ("1", "2"):
        handle(ledger, message_id="M1", account_id=account_id)
    assert ledger.maintenance.erase(message_id="M1", account_id="2") == erased(messages=1)
    assert [one.account_id for one in ledger.events()] == ["1"]
    assert ledger.maintenance.erase(message_id="M1") == erased(messages=1)


def test_message_that_is_being_handled_is_left(ledger: Ledger) -> None:
    """A message being handled is reported, and erased once its claim has expired."""
    claimed(ledger, message_id="M1", reference="T1")
    assert ledger.maintenance.erase(reference="T1") == erased(held=1)
    end_leases(ledger)
    assert ledger.maintenance.erase(reference="T1") == erased(messages=1)


def test_event_after_the_erasure_is_of_a_message_that_was_counted(ledger: Ledger) -> None:
    """A late event of an erased message counts nowhere a second time."""
    handle(ledger, "SENT", message_id="M1")
    ledger.maintenance.erase(message_id="M1")
    handle(ledger, "READ", message_id="M1")
    total = ledger.engagement(times=False).total
    assert (total.known, total.returned) == (1, 1)


def test_erasure_says_of_whom(ledger: Ledger) -> None:
    """Without an id or a reference nothing is erased: it would be everything."""
    with pytest.raises(TypeError):
        ledger.maintenance.erase(account_id="1")


def test_drift_names_no_erased_message(ledger: Ledger) -> None:
    """Drift in an erased message stays counted, without its id; other examples stay."""
    for number in (1, 2, 3):
        handle(ledger, message_id=f"M{number}", reference=f"T{number}")
        seen = replace(DRIFT, place=f"data.f{number}", example=f"M{number}")
        ledger.drift.note([seen])
    ledger.maintenance.erase(reference="T1")
    ledger.maintenance.erase(message_id="M2")
    examples = {one.place: one.example for one in ledger.drift.seen()}
    assert examples == {"data.f1": None, "data.f2": None, "data.f3": "M3"}


def test_message_that_another_process_pruned_is_not_held(
    sql_ledger: SQLLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message that disappears before it is locked is not reported as being handled."""
    handle(sql_ledger, message_id="M1")
    fold_and_delete = forgetting._fold_and_delete

    def after_another(*arguments: Any) -> Sequence[int]:
        fold_and_delete(*arguments)
        return fold_and_delete(*arguments)

    monkeypatch.setattr(forgetting, "_fold_and_delete", after_another)
    assert sql_ledger.maintenance.erase(message_id="M1") == erased()


ONCE = SendIntent(
    receiver=RECEIVER,
    account_id="1",
    external_reference_id="customer-4711",
    campaign="spring",
    template="order_update",
    language="en",
    once=True,
)


def state_once(ledger: Ledger, **changes: Any) -> str:
    """The result of another send with ``once``: the earlier send, or permission."""
    told = ledger.send_record.intend(replace(ONCE, **changes))
    return told.state if isinstance(told, Send) else "may send"


@pytest.mark.parametrize("once", [True, False])
@pytest.mark.parametrize("by", ["message_id", "reference"])
def test_nobody_is_sent_to_again_after_an_erasure(ledger: Ledger, by: str, once: bool) -> None:
    """Only a digest of the reference is left of an erased send, which keeps it used."""
    record = ledger.send_record
    record.sent(record.intend(replace(ONCE, once=once)), "M1")
    wanted = {"message_id": "M1", "reference": "customer-4711"}[by]
    assert ledger.maintenance.erase(**{by: wanted}) == erased(messages=1)
    assert ledger.sends() == ledger.sends(external_reference_id="customer-4711") == []
    assert state_once(ledger) == "erased"
    assert state_once(ledger, account_id="2") == "may send"
    (left,) = ledger.sends(state="erased")
    assert (left.external_reference_id, left.message_id, left.campaign, left.template) == (
        "",
        None,
        None,
        None,
    )
    assert ledger.maintenance.erase(**{by: wanted}, account_id="1") == erased()


def test_an_erased_send_is_stored_in_a_state_that_the_previous_version_knows(
    sql_ledger: SQLLedger,
) -> None:
    """Processes of the previous version list sends and honour ``once`` during an upgrade."""
    record = sql_ledger.send_record
    record.sent(record.intend(ONCE), "M1")
    record.intend(replace(ONCE, external_reference_id="unknown"))
    sql_ledger.maintenance.erase(message_id="M1")
    sql_ledger.maintenance.erase(reference="unknown")
    with sql_ledger.engine.connect() as connection:
        states = connection.scalars(select(send_table.c.state)).all()
    assert states == [SendState.SENT] * 2


def test_erased_sends_do_not_count_as_sent(ledger: Ledger) -> None:
    """Erased sends are not listed as sent or unheard, and no webhook of theirs is missed."""
    record = ledger.send_record
    record.sent(record.intend(ONCE), "M1")
    ledger.maintenance.erase(message_id="M1")
    assert ledger.sends(state="sent") == []
    assert record.listed(SendFilter(is_unheard=True)) == []
    assert record.standing(RECEIVER) == SendStanding()
    assert [one.state for one in ledger.sends(state="erased")] == ["erased"]


@pytest.mark.parametrize(
    ("state", "then"),
    [
        (None, "erased"),
        (SendState.UNKNOWN, "erased"),
        (SendState.REFUSED, "may send"),
        (SendState.UNSENT, "may send"),
    ],
)
def test_an_erased_send_that_became_no_message(
    ledger: Ledger, state: SendState | None, then: str
) -> None:
    """An erased send blocks its reference only if it may have been sent, and no answer restores
    it.
    """
    send_id = ledger.send_record.intend(ONCE)
    if state is not None:
        ledger.send_record.failed(send_id, state, "why")
    assert ledger.maintenance.erase(reference="customer-4711") == erased(sends=1)
    ledger.send_record.sent(send_id, "M1")
    assert ledger.message("M1") is None
    assert not ledger.send_record.close(send_id)
    assert state_once(ledger) == then


def test_what_is_left_of_an_erased_send_is_pruned(ledger: Ledger) -> None:
    """The digest is pruned when the send would have been."""
    record = ledger.send_record
    record.sent(record.intend(ONCE), "M1")
    ledger.maintenance.erase(message_id="M1")
    ledger.prune(before=datetime.now(UTC) - timedelta(hours=1), limit=9)
    assert state_once(ledger) == "erased"
    ledger.prune(before=datetime.now(UTC) + timedelta(hours=1), limit=9)
    assert state_once(ledger) == "may send"


def test_an_event_that_is_erased_while_it_comes_again_is_new(
    sql_ledger: SQLLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An event erased between being found and being read is recorded anew."""
    sql_ledger.record(entry(), POLICY, claim=False)
    database = sql_ledger.unprepared
    step = database.step

    def erased_after(work: Any) -> Any:
        result = step(work)
        monkeypatch.setattr(database, "step", step)
        assert sql_ledger.maintenance.erase(message_id=entry().event.message_id).messages == 1
        return result

    monkeypatch.setattr(database, "step", erased_after)
    again = sql_ledger.record(entry(), POLICY, claim=False)
    assert again.state is State.PENDING
    assert [one.id for one in sql_ledger.events()] == [again.id]
