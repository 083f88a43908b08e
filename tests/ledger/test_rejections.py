from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

from flask_fd_whatsapp.ledger import Ledger, Rejection

from .entries import MOMENT

THREADS = 8

REJECTION = Rejection(
    receiver="fd_whatsapp",
    reason="unauthenticated",
    status_code=401,
    detail="Header Authorization is missing.",
    last_seen=MOMENT,
)


def test_last_rejection_of_each_reason_is_kept(ledger: Ledger) -> None:
    """The last rejection for each receiver and reason is kept, newest first."""
    last = replace(REJECTION, detail="X is wrong \U0001f44b.", last_seen=MOMENT + timedelta(2))
    other = replace(REJECTION, reason="too_large", status_code=413)
    elsewhere = replace(REJECTION, receiver="other", last_seen=MOMENT + timedelta(1))
    for rejection in (REJECTION, other, elsewhere, last):
        ledger.rejections.note(rejection)
    assert ledger.rejections.last() == [last, elsewhere, other]
    assert ledger.rejections.last(receiver="fd_whatsapp") == [last, other]
    assert ledger.rejections.last(receiver="none") == []


def test_those_without_a_header(ledger: Ledger) -> None:
    """Rejections without any header and with a wrong one are kept separately."""
    wrong = replace(REJECTION, detail="Header Authorization has a wrong value.")
    missing = replace(REJECTION, has_no_header=True, last_seen=MOMENT + timedelta(1))
    for rejection in (wrong, missing, missing):
        ledger.rejections.note(rejection)
    assert ledger.rejections.last() == [missing, wrong]


def test_rejections_of_a_receivers_accounts(ledger: Ledger) -> None:
    """Rejections of many accounts are kept separately, and are their receiver's."""
    own = replace(REJECTION, receiver="fd_whatsapp/a_%", last_seen=MOMENT + timedelta(2))
    elsewhere = replace(REJECTION, receiver="fd_whatsapp2/a", last_seen=MOMENT + timedelta(1))
    for rejection in (REJECTION, own, elsewhere):
        ledger.rejections.note(rejection)
    assert ledger.rejections.last(receiver="fd_whatsapp") == [own, REJECTION]
    assert ledger.rejections.last(receiver="fd_whatsapp/a_%") == [own]
    assert ledger.rejections.last(receiver="fd_whatsap_") == []
    gauges = ledger.gauges.read(["fd_whatsapp", "other"])
    assert (gauges["fd_whatsapp"].rejections, gauges["other"].rejections) == (
        {"unauthenticated": 2},
        {},
    )
    assert ledger.rejections.acknowledge(receiver="fd_whatsapp") == 2


def test_rejections_are_acknowledged_once(ledger: Ledger) -> None:
    """Rejections can be acknowledged once; the next with the same reason is new."""
    other = replace(REJECTION, receiver="other")
    for rejection in (REJECTION, other):
        ledger.rejections.note(rejection)
    assert [ledger.rejections.acknowledge(receiver="fd_whatsapp") for _ in range(2)] == [1, 0]
    noted = {one.receiver: one.is_acknowledged for one in ledger.rejections.last()}
    assert noted == {"fd_whatsapp": True, "other": False}
    later = replace(REJECTION, last_seen=MOMENT + timedelta(1))
    ledger.rejections.note(later)
    assert ledger.rejections.last(receiver="fd_whatsapp") == [later]
    assert ledger.rejections.acknowledge() == 2


def test_rejected_after_the_clock_was_set_back(ledger: Ledger) -> None:
    """A rejection noted after an acknowledgement is new, even if its time is earlier."""
    ledger.rejections.note(REJECTION)
    ledger.rejections.acknowledge()
    ledger.rejections.note(replace(REJECTION, last_seen=MOMENT - timedelta(hours=1)))
    (found,) = ledger.rejections.last()
    assert not found.is_acknowledged
    assert ledger.rejections.acknowledge() == 1


def test_text_no_database_takes(ledger: Ledger) -> None:
    """A rejection is noted even with text that a database would refuse."""
    ledger.rejections.note(replace(REJECTION, detail="bad \x00 \ud800."))
    (found,) = ledger.rejections.last()
    assert (found.detail[:4], found.detail[-1]) == ("bad ", ".")


def test_rejections_noted_at_once(ledger: Ledger) -> None:
    """Processes that note the same reason concurrently do not conflict."""
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(ledger.rejections.note, [REJECTION] * 10 * THREADS))
    assert ledger.rejections.last() == [REJECTION]


def test_rejections_of_each_reason_are_counted(ledger: Ledger) -> None:
    """Rejections are counted, even concurrent ones, with the first time."""
    ledger.rejections.note(REJECTION)
    later = replace(REJECTION, last_seen=MOMENT + timedelta(1), count=3)
    ledger.rejections.note(later)
    ledger.rejections.acknowledge()
    (found,) = ledger.rejections.last()
    assert (found.count, found.first_seen) == (4, MOMENT)
    ledger.rejections.note(replace(REJECTION, reason="account", count=2, first_seen=MOMENT))
    assert {one.reason: one.count for one in ledger.rejections.last()} == {
        "unauthenticated": 4,
        "account": 2,
    }
