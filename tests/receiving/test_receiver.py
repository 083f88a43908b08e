"""A receiver whose claim is lost while it calls handlers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from flask_fd_whatsapp import FreshdeskWhatsApp, status_received
from flask_fd_whatsapp.handling.watchdog import watchdog
from flask_fd_whatsapp.ledger import MemoryLedger, Policy, Tried

from ..answers import assert_problem, client_of
from ..concurrency.threads import Clock
from ..conftest import URL, MakeApp, Payload

HANGS = Tried(failed={"handler": "TimeoutError: did not return within 300 seconds"})


def late_lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.name.endswith(".receiver")]


def deliver_and_lose(app: Flask, payload: Payload, lose: Callable[[], object]) -> None:
    """Deliver an event whose handler loses its claim with *lose*."""

    def handler(*_: object, **__: object) -> None:
        lose()

    with status_received.connected_to(handler, sender=app):
        assert_problem(client_of(app).post(URL, json=payload()), 503, "5")


def test_a_handler_taken_to_hang_is_not_told_of_as_a_lost_lease(
    app: Flask, payload: Payload, caplog: pytest.LogCaptureFixture
) -> None:
    """The attempt of a hanging handler was recorded as failed, which is not about its lease."""

    def abandon() -> None:
        (attempt,) = watchdog.running()
        attempt.claim.abandon(HANGS)

    deliver_and_lose(app, payload, abandon)
    assert late_lines(caplog) == [
        (
            "The handler was reported as hanging, and its attempt recorded as failed, before it "
            "returned."
        )
    ]


def test_a_lost_lease_is_told_of_with_what_may_have_cost_it(
    make_app: MakeApp, payload: Payload, caplog: pytest.LogCaptureFixture
) -> None:
    """The error of a lost claim says that leases are renewed, and what can prevent that."""
    clock = Clock()
    ledger = MemoryLedger(clock=clock)

    def take_away() -> None:
        clock.now += 61
        (event,) = ledger.events()
        assert ledger.claim(event.id, Policy()) is not None

    deliver_and_lose(make_app(FreshdeskWhatsApp(ledger=ledger)), payload, take_away)
    (line,) = late_lines(caplog)
    assert (
        "Lost the lease: it was not renewed within 60 seconds, and another worker claimed" in line
    )
    assert line.endswith("this process was stopped, or the ledger could not be reached.")
