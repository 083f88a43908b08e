from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from flask_fd_whatsapp.events import DeliveryError
from flask_fd_whatsapp.ledger import Ledger
from flask_fd_whatsapp.ledger.listing import UNHEARD, MessageFilter, Place
from flask_fd_whatsapp.ledger.records import Tried

from .entries import MOMENT, POLICY, entry


def listed(ledger: Ledger, wanted: MessageFilter | None = None) -> list[str]:
    page = ledger.browser.page(wanted or MessageFilter(), limit=100)
    return [one.message.message_id for one in page]


def record(ledger: Ledger, status: str = "QUEUED", **fields: object) -> None:
    ledger.record(entry(status, **fields), POLICY, claim=False)  # type: ignore[arg-type]


def test_a_code_that_no_database_takes_is_of_no_message(ledger: Ledger) -> None:
    """Searching for NUL and lone surrogates finds nothing, and is not an error."""
    for code in ("\0", "\ud800"):
        assert ledger.browser.page(MessageFilter(failed=True, codes=[code]), limit=5) == []


def test_messages_are_listed_by_when_they_were_sent(ledger: Ledger) -> None:
    """The most recently sent message comes first, whenever its events were received."""
    for number, minutes in (("a", 5), ("b", 1), ("c", 9)):
        record(ledger, message_id=number, timestamp=MOMENT + timedelta(minutes=minutes))
    assert listed(ledger) == ["c", "a", "b"]


def test_pages_go_on_both_ways_without_a_gap(ledger: Ledger) -> None:
    """Pages before and after a position contain every message once, even with equal times."""
    for number in range(7):
        record(ledger, message_id=f"M{number}", timestamp=MOMENT + timedelta(seconds=number // 3))
    whole = ledger.browser.page(MessageFilter(), limit=100)
    assert all(one.place > other.place for one, other in pairwise(whole))
    forth, place = [], None
    while batch := ledger.browser.page(MessageFilter(), before=place, limit=2):
        forth += batch
        place = batch[-1].place
    assert forth == whole
    back, place = [], Place(MOMENT - timedelta(days=1), 0)
    while batch := ledger.browser.page(MessageFilter(), after=place, limit=3):
        back += batch
        place = batch[-1].place
    assert back == whole[::-1]


def fill(ledger: Ledger) -> None:
    error = DeliveryError("131026", "Message undeliverable")
    record(ledger, message_id="M1", reference="spring-1", campaign="spring")
    record(ledger, "READ", message_id="M1")
    record(ledger, message_id="M2", reference="Spring-2", account_id="2")
    record(ledger, "FAILED", message_id="M2", account_id="2", error=error)
    record(ledger, "FAILED", message_id="M3", reference="sp%_-3", receiver="other")
    later = MOMENT + timedelta(hours=2)
    record(ledger, "SENT", message_id="M4", reference="x" * 300, timestamp=later)
    record(ledger, "PLAYED", message_id="M5", timestamp=later)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        pytest.param(MessageFilter(), "M1 M2 M3 M4 M5", id="all"),
        pytest.param(MessageFilter(search="M4"), "M4", id="id"),
        pytest.param(MessageFilter(search="spring"), "M1", id="beginning, capitals included"),
        pytest.param(MessageFilter(search="sp%_"), "M3", id="no pattern"),
        pytest.param(MessageFilter(search="%"), "", id="nor one alone"),
        pytest.param(MessageFilter(search="x" * 300), "M4", id="long reference"),
        pytest.param(MessageFilter(search="\x00\ud800"), "", id="what no database takes"),
        pytest.param(MessageFilter(status="READ"), "M1", id="status"),
        pytest.param(MessageFilter(status=UNHEARD), "", id="each has events"),
        pytest.param(MessageFilter(campaign="spring"), "M1", id="campaign"),
        pytest.param(MessageFilter(campaign=None), "M2 M3 M4 M5", id="without campaign"),
        pytest.param(MessageFilter(account_id="2"), "M2", id="account"),
        pytest.param(MessageFilter(receiver="other"), "M3", id="receiver"),
        pytest.param(MessageFilter(failed=True), "M2 M3", id="failed"),
        pytest.param(MessageFilter(failed=False), "M1 M4 M5", id="not failed"),
        pytest.param(MessageFilter(codes=["131026"]), "M2", id="code"),
        pytest.param(MessageFilter(codes=["131026", None]), "M2 M3", id="codes, or none"),
        pytest.param(MessageFilter(codes=[]), "", id="no code"),
        pytest.param(MessageFilter(since=MOMENT + timedelta(hours=1)), "M4 M5", id="since"),
        pytest.param(MessageFilter(until=MOMENT + timedelta(hours=2)), "M1 M2 M3", id="until"),
        pytest.param(MessageFilter(stuck_since=MOMENT + timedelta(hours=3)), "M4 M5", id="stuck"),
        pytest.param(MessageFilter(stuck_since=MOMENT + timedelta(hours=1)), "", id="not yet"),
    ],
)
def test_filters_are_met_together(ledger: Ledger, wanted: MessageFilter, found: str) -> None:
    """A message is listed if it meets every condition given."""
    fill(ledger)
    assert sorted(listed(ledger, wanted)) == found.split()


def test_unheard_is_what_has_no_event_at_all(ledger: Ledger) -> None:
    """A message with undocumented statuses only is listed with them."""
    fill(ledger)
    ledger.expect("M6", account_id="1")
    assert listed(ledger, MessageFilter(status=UNHEARD)) == ["M6"]
    assert ledger.engagement().total.unheard == 1
    page = ledger.browser.page(MessageFilter(), limit=10)
    (m5,) = [one.message for one in page if one.message.message_id == "M5"]
    assert (m5.status, list(m5.times)) == (None, ["PLAYED"])


def test_details_of_a_message_hold_its_payloads_and_handlers(ledger: Ledger) -> None:
    """Each event has its body, its headers, and the handlers that have succeeded."""
    body = '{"data": "as it came"}'
    recorded = ledger.record(
        entry("SENT", body=body, headers={"X-Tenant": "7"}), POLICY, claim=True
    )
    assert recorded.claim is not None
    recorded.claim.succeeded("tickets.sync")
    (detail,) = ledger.browser.details("M1", "1")
    assert (detail.event_id, detail.body) == (recorded.id, body)
    assert detail.headers == {"X-Tenant": "7"}
    assert [(one.handler, one.state) for one in detail.handlings] == [("tickets.sync", "done")]
    assert ledger.browser.details("M1", "2") == []
    assert ledger.browser.details("\ud800", "1") == []


def test_each_handler_is_told_with_what_it_failed_with(ledger: Ledger) -> None:
    """Each handler's failures are kept with count, error and time, even after it succeeds."""
    event = ledger.record(entry("SENT"), POLICY)
    assert event.claim is not None
    event.claim.finish(Tried(failed={"crm": "OSError: no", "mail": "OSError: 1"}))
    for retry in (
        Tried(failed={"mail": "OSError: 2"}, postponed={"shop": "RetryLater: soon"}, retry_after=9),
        Tried(failed={"mail": "OSError: 3"}, gave_up={"bill": "GiveUp: paid"}, succeeded="crm"),
    ):
        again = ledger.claim(event.id, POLICY)
        assert again is not None
        assert again.claim is not None
        again.claim.finish(retry)
    (detail,) = ledger.browser.details("M1", "1")
    assert {one.handler: (one.state, one.attempts, one.last_error) for one in detail.handlings} == {
        "crm": ("done", 1, "OSError: no"),
        "mail": ("failed", 3, "OSError: 3"),
        "shop": ("postponed", 0, "RetryLater: soon"),
        "bill": ("gave up", 1, "GiveUp: paid"),
    }
    for one in detail.handlings:
        assert one.last_error_at is not None
        assert one.last_error_at.utcoffset() == timedelta()


def test_what_handlers_failed_with_is_pruned_with_the_message(ledger: Ledger) -> None:
    """Handler errors do not prevent a message from being pruned."""
    event = ledger.record(entry("SENT"), POLICY)
    assert event.claim is not None
    event.claim.finish(Tried(gave_up={"bill": "GiveUp: paid"}))
    assert ledger.prune(before=datetime.now(UTC) + timedelta(days=1), limit=9) == 1
    assert ledger.browser.details("M1", "1") == []
