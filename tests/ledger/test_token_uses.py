"""When each entry of a header's list was last used, in every ledger."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

from flask_fd_whatsapp.ledger import Ledger, TokenUse

from .entries import MOMENT

THREADS = 8

USE = TokenUse(receiver="fd_whatsapp", header="Authorization", position=1, last_used=MOMENT)


def test_last_use_of_each_token_is_kept(ledger: Ledger) -> None:
    """The last use for each receiver, header and position is kept, in that order."""
    last = replace(USE, last_used=MOMENT + timedelta(1))
    other = replace(USE, header="X-Token")
    second = replace(USE, position=2)
    elsewhere = replace(USE, receiver="other")
    for use in (elsewhere, other, second, USE, last):
        ledger.token_uses.note(use)
    assert ledger.token_uses.last() == [last, second, other, elsewhere]
    assert ledger.token_uses.last(receiver="other") == [elsewhere]
    assert ledger.token_uses.last(receiver="none") == []


def test_token_uses_noted_at_once(ledger: Ledger) -> None:
    """Processes that note the same use concurrently do not conflict."""
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(ledger.token_uses.note, [USE] * 10 * THREADS))
    assert ledger.token_uses.last() == [USE]
