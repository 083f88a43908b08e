from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event

from flask_fd_whatsapp.ledger import Ledger, Policy, Rejection, Unusable
from flask_fd_whatsapp.ledger.drift import Drift, DriftKind
from flask_fd_whatsapp.ledger.gauges import Gauges
from flask_fd_whatsapp.ledger.records import name_of_account
from flask_fd_whatsapp.ledger.send_records import SendIntent, SendState
from flask_fd_whatsapp.ledger.sql import SQLLedger

from .entries import FAILED, MOMENT, POLICY, entry, handle


def intent(reference: str) -> SendIntent:
    return SendIntent(receiver="one", account_id="1", external_reference_id=reference)


def test_empty_ledger_has_empty_gauges(ledger: Ledger) -> None:
    """For a receiver without events everything is zero or missing."""
    assert ledger.gauges.read(["one", "two"]) == {"one": Gauges(), "two": Gauges()}
    assert ledger.gauges.read([]) == {}


def test_gauges_tell_receivers_apart(ledger: Ledger) -> None:
    """Each receiver has its own events, bodies and rejections; others are not read."""
    handle(ledger, "SENT", receiver="one")
    handle(ledger, "PLAYED", receiver="one", message_id="M2")
    ledger.record(entry("SENT", receiver="one", message_id="M3"), POLICY, claim=False)
    handle(ledger, "READ", receiver="two", message_id="M4")
    handle(ledger, "READ", receiver="three", message_id="M5")
    body = Unusable(receiver="two", body=b"{", reason="not_json", detail="d", headers={})
    for kept_as in ("two", name_of_account("two", "acme"), "twofold"):
        ledger.quarantine.keep(replace(body, receiver=kept_as), at_most=10)
    for receiver, reason, has_no_header in (
        ("two", "unauthenticated", False),
        ("two", "unauthenticated", True),
        ("two", "account", False),
    ):
        moment = MOMENT + timedelta(hours=has_no_header)
        ledger.rejections.note(
            Rejection(
                receiver=receiver,
                reason=reason,
                status_code=401,
                detail="d",
                last_seen=moment,
                has_no_header=has_no_header,
            )
        )
    one, two = ledger.gauges.read(["one", "two"]).values()
    assert one.pending == 1
    assert one.oldest_pending is not None
    assert one.last_accepted is not None
    assert abs(one.last_accepted - datetime.now(UTC)) < timedelta(minutes=5)
    assert one.oldest_pending.tzinfo is not None
    assert one.messages == {"SENT": 2, "none": 1}
    assert (two.pending, two.oldest_pending, two.quarantined) == (0, None, 2)
    assert two.messages == {"READ": 1}
    assert two.rejections == {"unauthenticated": 2, "account": 1}
    assert two.rejected == {"unauthenticated": MOMENT + timedelta(hours=1), "account": MOMENT}


def test_gauges_count_dead_events(ledger: Ledger) -> None:
    """Dead events are counted, and no longer pending."""
    policy = Policy(lease_seconds=60, max_attempts=1)
    recorded = ledger.record(entry("SENT", receiver="one"), policy)
    assert recorded.claim is not None
    recorded.claim.finish(FAILED)
    gauges = ledger.gauges.read(["one"])["one"]
    assert (gauges.pending, gauges.dead) == (0, 1)


def test_gauges_tell_of_reconciliation_and_drift(ledger: Ledger) -> None:
    """The gauges have the last reconciliation, the rejections, and recent drift."""
    for name, is_good in (
        ("one", True),
        ("one/acme", True),
        ("one/globex", False),
        ("one/initech", True),
        ("one/initech", False),
        ("two", False),
    ):
        stopped = None if is_good else "a wrong key"
        ledger.asking.note(name, asked=3, changed=1, stopped=stopped, is_good=is_good)
    oldest = min(run.good_at for run in ledger.asking.runs(receiver="one") if run.good_at)
    for number, moment in enumerate((MOMENT, datetime.now(UTC))):
        ledger.drift.note(
            [
                Drift(
                    receiver="one",
                    kind=DriftKind.FIELD,
                    place=f"data.f{number}",
                    found="string",
                    count=7,
                    first_seen=moment,
                    last_seen=moment,
                )
            ]
        )
    one, two = ledger.gauges.read(["one", "two"]).values()
    assert (one.last_reconciled, one.failing_reconciliations, one.drift) == (oldest, 2, 1)
    assert (two.last_reconciled, two.failing_reconciliations, two.drift) == (None, 1, 0)


def test_gauges_count_sends(ledger: Ledger) -> None:
    """An unknown send is counted, and a recent one is not missed yet."""
    known, lost = ledger.send_record.intend(intent("R1")), ledger.send_record.intend(intent("R2"))
    ledger.send_record.sent(known, "M1")
    ledger.send_record.failed(lost, SendState.UNKNOWN, "no answer")
    gauges = ledger.gauges.read(["one"])["one"]
    assert (gauges.unheard, gauges.unknown) == (0, 1)


def test_unheard_sends_are_counted(sql_ledger: SQLLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A send without an event for long is counted, until one arrives."""
    monkeypatch.setattr(
        "flask_fd_whatsapp.ledger.sql.gauge_rows.UNHEARD_AFTER", -timedelta(hours=1)
    )
    sent = sql_ledger.send_record.intend(intent("R1"))
    sql_ledger.send_record.sent(sent, "M1")
    assert sql_ledger.gauges.read(["one"])["one"].unheard == 1
    handle(sql_ledger, "SENT", receiver="one", account_id="1", message_id="M1")
    assert sql_ledger.gauges.read(["one"])["one"].unheard == 0


def test_gauges_take_one_query(sql_ledger: SQLLedger) -> None:
    """Any number of receivers is read in one statement."""
    sql_ledger.gauges.read(["one"])
    statements: list[str] = []

    def note(connection: object, cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    event.listen(sql_ledger.engine, "before_cursor_execute", note)
    try:
        sql_ledger.gauges.read(["one", "two", "three"])
    finally:
        event.remove(sql_ledger.engine, "before_cursor_execute", note)
    assert len([one for one in statements if "fd_whatsapp_" in one]) == 1
