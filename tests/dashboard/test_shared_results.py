from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial
from gc import collect
from itertools import count
from threading import Barrier, Event, Thread
from types import SimpleNamespace
from typing import Any
from weakref import ref

import pytest

from flask_fd_whatsapp.dashboard import account_choice, dashboard, shared_results
from flask_fd_whatsapp.dashboard.shared_results import MOST, SharedResults, StillComputing
from flask_fd_whatsapp.ledger.listing import MessageFilter

from ..concurrency.threads import TIMEOUT
from .conftest import PAGES, MakePages, fill


def ask(results: SharedResults, key: Hashable, compute: Callable[[], Any]) -> Any:
    """As a visit does that begins now."""
    return results.get(key, compute, deadline=results.deadline())


def test_a_result_lasts_a_minute() -> None:
    """It is computed again when it is too old."""
    now = [0.0]
    results, numbers = SharedResults(60, lambda: now[0]), count()
    given = []
    for now[0] in (0, 59, 60, 61):
        given.append(ask(results, "key", lambda: next(numbers)))
    assert given == [0, 0, 1, 1]


def test_who_asks_meanwhile_waits_for_it() -> None:
    """Concurrent requests compute it once."""
    results, numbers, barrier = SharedResults(), count(), Barrier(4)
    given: list[int] = []

    def asks() -> None:
        barrier.wait()
        given.append(ask(results, "key", lambda: next(numbers)))

    threads = [Thread(target=asks) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert given == [0] * 4


def test_nobody_waits_longer_than_until_the_deadline() -> None:
    """Late requests compute nothing either: it is still computed once."""
    results, numbers, began, may_end = SharedResults(), count(), Event(), Event()

    def takes_long() -> int:
        began.set()
        assert may_end.wait(TIMEOUT)
        return next(numbers)

    thread = Thread(target=ask, args=(results, "key", takes_long))
    thread.start()
    assert began.wait(TIMEOUT)
    with pytest.raises(StillComputing):
        results.get("key", lambda: next(numbers), deadline=0)
    may_end.set()
    thread.join()
    assert results.get("key", lambda: next(numbers), deadline=0) == 0


def test_a_page_that_waits_too_long_says_what_to_do(
    make_pages: MakePages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A 503 says when to come back, while a single visit queries the ledger."""
    app = make_pages()
    fill(app)
    ledger = app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger
    breakdowns, began, may_end, asked = ledger.reports.breakdowns, Event(), Event(), []

    def takes_long(*given: Any, **wanted: Any) -> Any:
        asked.append(wanted)
        began.set()
        assert may_end.wait(TIMEOUT)
        return breakdowns(*given, **wanted)

    monkeypatch.setattr(ledger.reports, "breakdowns", takes_long)
    monkeypatch.setattr(shared_results, "PATIENCE", 0.1)
    statuses: list[int] = []
    first = Thread(
        target=lambda: statuses.append(app.test_client().get(f"{PAGES}/failures").status_code)
    )
    first.start()
    assert began.wait(TIMEOUT)
    answer = app.test_client().get(f"{PAGES}/failures")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
    assert "These figures are still being counted" in answer.text
    assert "Choose a shorter period" in answer.text
    assert len(asked) == 1
    may_end.set()
    first.join()
    assert statuses == [200]


def test_errors_are_not_kept() -> None:
    """After an error it is computed again."""
    results = SharedResults()
    with pytest.raises(ZeroDivisionError):
        ask(results, "key", lambda: 1 // 0)
    assert ask(results, "key", lambda: 2) == 2


def test_old_keys_make_room() -> None:
    """Results of filters that are no longer requested are evicted."""
    results, numbers = SharedResults(), count()
    for key in range(MOST + 1):
        ask(results, key, lambda: next(numbers))
    assert ask(results, 0, lambda: next(numbers)) == MOST + 1


def test_expired_results_do_not_stay_in_memory() -> None:
    """Expired results may contain erased messages: the next request evicts them."""
    now = [0.0]
    results = SharedResults(60, lambda: now[0])
    shown = ref(ask(results, "old", set))
    assert shown() is not None
    now[0] = 60
    ask(results, "new", set)
    collect()
    assert shown() is None


def test_message_page_that_waits_for_the_names_of_accounts(
    make_pages: MakePages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A timeout while the template waits ends like one in the view, without blaming the ledger."""
    app = make_pages()
    fill(app)
    ledger = app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger
    (shown,) = ledger.browser.page(MessageFilter(), limit=1)

    def takes_long(*_: Any) -> Any:
        raise StillComputing("Somebody else is computing this.")

    monkeypatch.setattr(dashboard, "account_label", takes_long)
    url = f"{PAGES}/message?id={shown.message.message_id}"
    answer = app.test_client().get(url)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
    assert "These figures are still being counted" in answer.text


def test_names_of_accounts_are_looked_up_until_the_deadline() -> None:
    """A slow callable does not delay a page: ids are shown until a later one finds more."""
    now, asked = [0.0], []

    def find(key: str) -> Any:
        now[0] += 4
        asked.append(key)
        return SimpleNamespace(account_name=key, settings=SimpleNamespace(account_ids=[key]))

    lookup = SimpleNamespace(keys=lambda ledger: list("abcdef"), find=find)
    receiver = SimpleNamespace(name="r", accounts=lookup, ledger=None)
    results = SharedResults(60, lambda: now[0])

    def labels() -> list[str]:
        visit: Any = SimpleNamespace(
            shown=[receiver], results=results, receiver=None, deadline=results.deadline()
        )
        visit.shared = partial(results.get, deadline=visit.deadline)
        return [account_choice.account_label(visit, one) for one in "abcdef"]

    assert labels() == ["a (a)", "b (b)", "c (c)", "d", "e", "f"]
    assert labels() == ["a (a)", "b (b)", "c (c)", "d", "e", "f"]
    now[0] += account_choice.MORE_NAMES_SECONDS
    assert labels() == [f"{one} ({one})" for one in "abcdef"]
    assert asked == list("abcdef")
