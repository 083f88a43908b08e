from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import Any

import pytest

from flask_fd_whatsapp.ledger import Ledger, Quarantined, Unusable
from flask_fd_whatsapp.ledger.views import IGNORED

from ..bodies import kept
from ..concurrency.threads import TIMEOUT

THREADS = 16
BODIES = [b"", b"{", b"\x00\xff\xfe", "\U0001f44b مرحبا".encode(), b"x" * 60_000]


def put(
    ledger: Ledger, body: bytes, *, keep: int = 10_000, is_replay: bool = False, **changes: Any
) -> int:
    values: dict[str, Any] = {
        "receiver": "fd_whatsapp",
        "reason": "invalid",
        "detail": "no such status",
        "headers": {},
    }
    unusable = Unusable(body=body, **{**values, **changes})
    return ledger.quarantine.keep(unusable, at_most=keep, is_replay=is_replay)


def bodies(ledger: Ledger) -> list[bytes]:
    return [body for _, body in kept(ledger)]


def only(ledger: Ledger) -> Quarantined:
    (entry,) = ledger.quarantined()
    return entry


@pytest.mark.parametrize("body", BODIES, ids=lambda body: str(body[:8]))
def test_body_is_kept_to_the_byte(ledger: Ledger, body: bytes) -> None:
    """A body is kept byte for byte, with its headers and the reason."""
    put(ledger, body, headers={"X-Data": "ü\ud800"}, detail="bad \x00 \ud800 \U0001f44b")
    entry = only(ledger)
    assert ledger.quarantine.body(entry.id) == body
    assert (entry.size, entry.receiver, entry.reason) == (len(body), "fd_whatsapp", "invalid")
    assert (entry.headers, entry.count) == ({"X-Data": "ü\ud800"}, 1)
    assert entry.detail.startswith("bad ")
    assert entry.detail.endswith("\U0001f44b")
    assert entry.first_seen == entry.last_seen


def test_same_body(ledger: Ledger) -> None:
    """A repeated body is counted, with the last reason and headers."""
    put(ledger, b"{", reason="not_json", headers={"X-Data": "1"})
    first = only(ledger)
    put(ledger, b"{")
    put(ledger, b"{", reason="account", detail="not ours", headers={"X-Data": "2"})
    entry = only(ledger)
    assert (entry.id, entry.first_seen, entry.count) == (first.id, first.first_seen, 3)
    assert entry.last_seen > first.last_seen
    assert (entry.reason, entry.detail, entry.headers) == ("account", "not ours", {"X-Data": "2"})


@pytest.mark.parametrize("other", [{"body": b"{ "}, {"body": b"[" * 9}, {"receiver": "other"}])
def test_other_body(ledger: Ledger, other: dict[str, Any]) -> None:
    """Another body, or the same at another receiver, is a separate entry."""
    put(ledger, b"{")
    put(ledger, **{"body": b"{", **other})
    assert [entry.count for entry in ledger.quarantined()] == [1, 1]


def test_refused_replay_is_no_new_arrival(ledger: Ledger) -> None:
    """A replayed and rejected body is not counted again: only its reason changes."""
    put(ledger, b"1")
    put(ledger, b"2")
    before = ledger.quarantined(after=0)[0]
    put(ledger, b"1", is_replay=True, reason="account", detail="not ours")
    after = ledger.quarantined(after=0)[0]
    assert after == replace(before, reason="account", detail="not ours")
    put(ledger, b"3", keep=2)
    assert bodies(ledger) == [b"2", b"3"]


def test_entries_page_by_page(ledger: Ledger) -> None:
    """The pages contain every entry of a receiver once, in both directions."""
    for number in range(5):
        put(ledger, b"%d" % number)
        put(ledger, b"%d" % number, receiver="other")
    put(ledger, b"0")
    for key, start, expected in (("before", None, "43210"), ("after", 0, "01234")):
        seen, place = b"", start
        while page := ledger.quarantined(**{key: place}, receiver="other", limit=2):
            seen += b"".join(ledger.quarantine.body(entry.id) or b"?" for entry in page)
            place = page[-1].id
        assert seen.decode() == expected
    assert len(ledger.quarantined()) == 10
    assert len(ledger.quarantined(limit=3)) == 3


def test_backlog_counts_the_quarantine(ledger: Ledger) -> None:
    """The backlog counts entries in quarantine, ignored ones separately, per receiver too."""
    for body in (b"1", b"2"):
        put(ledger, body)
    put(ledger, b"a", reason=IGNORED)
    put(ledger, b"1", receiver="other")
    counted = [
        ledger.overview.backlog(receiver=name) for name in (None, "fd_whatsapp", "other", "none")
    ]
    found = [(backlog.quarantined, backlog.ignored) for backlog in counted]
    assert found == [(3, 1), (2, 1), (1, 0), (0, 0)]


def test_entries_not_seen_for_longest_go(ledger: Ledger) -> None:
    """Beyond the limit the least recently seen entries are evicted, and their number is
    returned.
    """
    for body in (b"1", b"2", b"1", b"3"):
        assert put(ledger, body, keep=3) == 0
    assert put(ledger, b"4", keep=3) == 1
    assert bodies(ledger) == [b"1", b"3", b"4"]
    assert put(ledger, b"5", keep=1) == 3
    assert bodies(ledger) == [b"5"]


def test_ignored_bodies_have_entries_of_their_own(ledger: Ledger) -> None:
    """Ignored events have a limit of their own, and evict nothing else."""
    for body in (b"1", b"2"):
        put(ledger, body, keep=2)
    for body in (b"a", b"b", b"c"):
        put(ledger, body, keep=2, reason=IGNORED)
    assert bodies(ledger) == [b"1", b"2", b"b", b"c"]


def test_receivers_apart(ledger: Ledger) -> None:
    """Each receiver's entries have a bound of their own."""
    for body in (b"1", b"2"):
        put(ledger, body, keep=2)
        put(ledger, body, keep=1, receiver="other")
    entries = ledger.quarantined(after=0)
    assert [(entry.receiver, ledger.quarantine.body(entry.id)) for entry in entries] == [
        ("fd_whatsapp", b"1"),
        ("fd_whatsapp", b"2"),
        ("other", b"2"),
    ]


def test_change_of_shelf(ledger: Ledger) -> None:
    """A body with a new reason counts towards the limit of that reason."""
    for body in (b"1", b"2"):
        put(ledger, body, keep=2)
    put(ledger, b"a", keep=2, reason=IGNORED)
    put(ledger, b"a", keep=2)
    assert bodies(ledger) == [b"2", b"a"]
    put(ledger, b"b", keep=2, reason=IGNORED)
    assert bodies(ledger) == [b"2", b"a", b"b"]


def test_discarded_body_is_new_again(ledger: Ledger) -> None:
    """An entry can be discarded once; received again, it is new."""
    put(ledger, b"1")
    put(ledger, b"2")
    _, first = ledger.quarantined()
    assert ledger.quarantine.discard(first.id)
    assert not ledger.quarantine.discard(first.id)
    assert ledger.quarantine.body(first.id) is None
    assert bodies(ledger) == [b"2"]
    put(ledger, b"1")
    assert [entry.count for entry in ledger.quarantined()] == [1, 1]


@pytest.mark.parametrize("distinct", [1, THREADS])
def test_bodies_at_once_are_all_kept(ledger: Ledger, distinct: int) -> None:
    """Concurrent bodies, even equal ones, are all kept, each once and counted."""
    barrier = Barrier(THREADS)

    def arrive(number: int) -> None:
        barrier.wait(TIMEOUT)
        for _ in range(3):
            put(ledger, b"%d" % (number % distinct))

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(arrive, range(THREADS)))
    found = ledger.quarantined()
    assert [entry.count for entry in found] == [3 * THREADS // distinct] * distinct
