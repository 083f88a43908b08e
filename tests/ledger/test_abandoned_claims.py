"""A claim whose handler hangs, on every ledger."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from flask_fd_whatsapp.exceptions import ClaimLost
from flask_fd_whatsapp.ledger import Ledger, State, Tried

from ..concurrency.threads import TIMEOUT
from .entries import FAILED, claimed, the_event


def test_the_handler_is_late(ledger: Ledger) -> None:
    """The attempt has failed, and the handler's thread can record nothing afterwards."""
    recorded, claim = claimed(ledger)
    with ThreadPoolExecutor(1) as another:
        assert another.submit(claim.abandon, FAILED).result(TIMEOUT) is State.PENDING
    with pytest.raises(ClaimLost):
        claim.succeeded("handler")
    with pytest.raises(ClaimLost):
        claim.finish(Tried(succeeded="handler"))
    event = the_event(ledger, recorded.id)
    assert (event.state, event.last_error) == (State.PENDING, "handler: ValueError: no")
    claimed(ledger, "SENT")


def test_its_success_was_first(ledger: Ledger) -> None:
    """A handler whose success is recorded does not hang, nor one whose attempt has ended."""
    recorded, claim = claimed(ledger)
    claim.succeeded("handler")
    assert claim.abandon(FAILED) is None
    assert claim.finish(Tried(succeeded="last")) is State.DONE
    assert claim.abandon(Tried(failed={"last": "TimeoutError: it hangs"})) is None
    assert the_event(ledger, recorded.id).last_error is None
