from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from flask_fd_whatsapp import StatusEvent, current_ledger, message_read
from flask_fd_whatsapp.testing import (
    EventBuilder,
    WhatsAppClient,
    assert_same_in_every_order,
    assert_same_under_duplicates,
)
from flask_fd_whatsapp.testing.recorder import recorded

from ..conftest import MakeApp
from . import handlers
from .handlers import Connect, Tickets

BOTH = pytest.mark.parametrize(
    "check", [assert_same_in_every_order, assert_same_under_duplicates], ids=["order", "duplicates"]
)
Check = Callable[..., None]
Put = Callable[..., None]


@pytest.fixture
def put(whatsapp: WhatsAppClient) -> Put:
    """Runs an assertion with handlers."""
    tickets: Tickets = {}

    def put(check: Check, connect: Connect, **options: Any) -> None:
        connect(whatsapp.app, tickets)
        check(whatsapp, lambda message: tickets.get(message.message_id, {}), **options)

    return put


@pytest.mark.parametrize("connect", [handlers.follows, handlers.marks])
@BOTH
def test_idempotent_handler_passes(put: Put, check: Check, connect: Connect) -> None:
    """A handler that sets values, and only moves forward, passes both."""
    put(check, connect)


def test_order_of_arrival(put: Put) -> None:
    """A handler that keeps the last status is caught, with both orders and results."""
    with pytest.raises(AssertionError) as caught:
        put(assert_same_in_every_order, handlers.follows_blindly, journeys=[["SENT", "READ"]])
    assert str(caught.value).splitlines()[:3] == [
        "The result depends on the order of arrival.",
        "  SENT, READ: {'status': <Status.READ: 'READ'>}",
        "  READ, SENT: {'status': <Status.SENT: 'SENT'>}",
    ]
    assert "Use status_changed" in str(caught.value)


def test_late_failure(put: Put) -> None:
    """A handler misled by a failure is caught by the default journeys."""
    with pytest.raises(AssertionError, match=r"DELIVERED, FAILED: {'status': <Status.DELIVERED"):
        put(assert_same_in_every_order, handlers.reopens)


def test_failure_without_reference(put: Put) -> None:
    """A handler that finds messages only by reference is caught, with the remedy."""
    with pytest.raises(AssertionError, match=r"FAILED, QUEUED: {}(?s:.*)by its message_id"):
        put(
            assert_same_in_every_order,
            handlers.knows_references_only,
            journeys=[["QUEUED", "FAILED"]],
        )


def test_called_twice(put: Put) -> None:
    """A handler that counts is caught, with both results and its name."""
    with pytest.raises(AssertionError) as caught:
        put(assert_same_under_duplicates, handlers.counts, journeys=[["SENT", "READ"]])
    message = str(caught.value).splitlines()
    assert message[:3] == [
        "The result differs when handlers are called twice.",
        "  SENT, READ, once each: {'calls': 1}",
        "  SENT, READ, each twice in a row: {'calls': 2}",
    ]
    assert message[3].startswith("Called twice: message_read:tests.testing.handlers.counts")
    assert "current_ledger.transaction" in message[3]


def test_called_twice_late(put: Put) -> None:
    """A handler that tolerates an immediate repetition, but not a later one, is caught."""
    with pytest.raises(AssertionError, match=r"all, and then all again: {'calls': 4"):
        put(assert_same_under_duplicates, handlers.compares_with_the_last)


def test_raises_when_called_twice(put: Put) -> None:
    """A handler that fails at the second call is caught, with the exception and when it was."""
    with pytest.raises(AssertionError, match="insert raised KeyError") as caught:
        put(assert_same_under_duplicates, handlers.appears_once)
    assert isinstance(caught.value.__cause__, KeyError)
    assert caught.value.__notes__ == ["This was when handlers are called twice."]


def test_raises_in_an_order(whatsapp: WhatsAppClient) -> None:
    """A handler that fails in one order is caught, with the exception and that order."""

    @message_read.connect_via(whatsapp.app)
    def close(app: Flask, event: StatusEvent) -> None:
        if event.previous_status is None:
            raise LookupError("READ comes first")

    with pytest.raises(AssertionError, match="close raised LookupError: READ comes") as caught:
        assert_same_in_every_order(whatsapp, lambda message: True, journeys=[["SENT", "READ"]])
    assert caught.value.__notes__ == ["This was in the order READ, SENT."]


@BOTH
def test_the_ledger_is_restored_after_the_checks(whatsapp: WhatsAppClient, check: Check) -> None:
    """The receiver's ledger is restored afterwards, and no event is unfinished."""
    ledger = whatsapp.receiver.ledger
    tickets: Tickets = {}
    handlers.follows(whatsapp.app, tickets)
    check(whatsapp, lambda message: tickets[message.message_id])
    assert whatsapp.receiver.ledger is ledger
    assert (ledger.overview.backlog().pending, ledger.overview.backlog().dead) == (0, 0)


@BOTH
def test_a_lost_success_is_no_failed_attempt(make_app: MakeApp, check: Check) -> None:
    """A lost success is not a failed attempt: it passes even with a single attempt allowed."""
    app, tickets = make_app(MAX_ATTEMPTS=1), Tickets()
    handlers.follows(app, tickets)
    check(WhatsAppClient(app), lambda message: tickets[message.message_id])


@BOTH
def test_nothing_passes_without_a_handler(put: Put, whatsapp: WhatsAppClient, check: Check) -> None:
    """Without a handler, besides the recorder, nothing can pass."""
    with recorded(whatsapp.app), pytest.raises(AssertionError, match="No handler is connected"):
        put(check, lambda app, tickets: None)


@BOTH
def test_a_read_that_returns_nothing_is_an_error(whatsapp: WhatsAppClient, check: Check) -> None:
    """A ``read`` that returns nothing is an error: all results would be the same."""
    handlers.follows(whatsapp.app, {})
    with pytest.raises(ValueError, match="read returned None"):
        check(whatsapp, lambda message: None)


@BOTH
def test_a_message_that_is_not_fresh_is_an_error(
    put: Put, events: EventBuilder, check: Check
) -> None:
    """A message that is not fresh is an error: its events would be duplicates."""
    with pytest.raises(ValueError, match=f"returned message id {events.message_id} twice"):
        put(check, handlers.follows, new_message=lambda: events)


def test_result_that_changes(whatsapp: WhatsAppClient) -> None:
    """A result that the next message changes is compared as it was."""
    store: dict[str, object] = {}

    @message_read.connect_via(whatsapp.app)
    def note(app: Flask, event: StatusEvent) -> None:
        store["before"] = event.previous_status

    def new_message() -> EventBuilder:
        store.clear()
        return EventBuilder()

    with pytest.raises(AssertionError, match=r"READ, SENT: {'before': None}"):
        assert_same_in_every_order(
            whatsapp, lambda message: store, new_message=new_message, journeys=[["SENT", "READ"]]
        )


@BOTH
def test_hosts_functions_have_a_context(whatsapp: WhatsAppClient, check: Check) -> None:
    """The host's functions are called in an application context."""
    handlers.follows(whatsapp.app, {})

    def new_message() -> EventBuilder:
        assert current_ledger.overview.backlog().pending == 0
        return EventBuilder()

    def read(message: EventBuilder) -> object:
        found = current_ledger.message(message.message_id)
        return found and found.status

    check(whatsapp, read, new_message=new_message)
