"""The remedies in docs/operating.md work: `status` is green again, and nothing is lost."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from marshmallow import ValidationError, validates_schema

from flask_fd_whatsapp import (
    FreshdeskWhatsApp,
    OutboundMessageEventSchema,
    StatusEvent,
    handler_name,
    status_received,
)
from flask_fd_whatsapp.ledger import MemoryLedger
from flask_fd_whatsapp.receiving.write_behind import finish_writes

from ..conftest import TOKEN, URL, MakeApp, Payload
from .conftest import RunCommand, Tickets, ledger_of, make_due, url_in

NEW_TOKEN = "Bearer n3w"


class Refusing(OutboundMessageEventSchema):
    """A broken schema that rejects everything."""

    @validates_schema
    def refuse(self, data: Any, **_: Any) -> None:
        raise ValidationError("no")


def post(app: Flask, body: Any, token: str = TOKEN) -> int:
    client = app.test_client()
    status = client.post(URL, json=body, headers={"Authorization": token}).status_code
    finish_writes(5)
    return status


def is_green(app: Flask, run: RunCommand) -> bool:
    return run(app, "status").exit_code == 0


def statuses(app: Flask) -> list[str]:
    ledger = app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger
    return [event.status for event in ledger.events()]


@pytest.fixture(autouse=True)
def _some_handler(tickets: Tickets) -> None: ...


def test_changed_token_is_accepted_beside_the_old_one(
    make_durable: MakeApp, payload: Payload, run: RunCommand
) -> None:
    """A changed token is rejected until both values are in a list."""
    before = make_durable()
    assert post(before, payload("sent"), NEW_TOKEN) == 401
    assert "has a wrong value" in run(before, "status").stdout
    after = make_durable(HEADERS={"Authorization": [TOKEN, NEW_TOKEN]})
    assert post(after, payload("sent"), NEW_TOKEN) == 200
    assert is_green(after, run)


def test_account_that_was_not_listed_is_replayed(
    make_durable: MakeApp, payload: Payload, run: RunCommand
) -> None:
    """Events of an unlisted account are accepted once it is listed."""
    before = make_durable(ACCOUNT_IDS=["1"])
    assert post(before, payload("sent")) == 403
    assert not is_green(before, run)
    after = make_durable(ACCOUNT_IDS=["1", payload()["account_id"]])
    assert run(after, "quarantine", "replay", "--all").exit_code == 0
    assert statuses(after) == ["SENT"]
    assert is_green(after, run)


def test_payload_that_a_schema_refused_is_replayed(
    make_durable: MakeApp, payload: Payload, run: RunCommand, tmp_path: Any
) -> None:
    """Events that a broken schema rejected are accepted once it is fixed."""
    after = make_durable()
    before = make_durable(FreshdeskWhatsApp(schema=Refusing), LEDGER_URL=url_in(tmp_path))
    assert post(before, payload("sent")) == 200
    assert not is_green(before, run)
    assert run(after, "quarantine", "replay", "--all").exit_code == 0
    assert statuses(after) == ["SENT"]
    assert is_green(after, run)


def test_rejections_that_do_not_matter_are_acknowledged(
    make_durable: MakeApp, payload: Payload, run: RunCommand
) -> None:
    """An unimportant body is discarded, and its rejection acknowledged until the next one."""
    app = make_durable()
    assert post(app, []) == 200
    assert not is_green(app, run)
    assert run(app, "quarantine", "discard", "1").exit_code == 0
    assert run(app, "acknowledge").exit_code == 0
    assert is_green(app, run)
    post(app, [1])
    assert not is_green(app, run)


def test_bodies_that_were_too_large_come_again(
    make_durable: MakeApp, payload: Payload, run: RunCommand
) -> None:
    """With a higher limit, events that Freshdesk sends again are accepted."""
    before = make_durable(MAX_BODY_BYTES=100)
    assert post(before, payload("sent")) == 413
    assert "FD_WHATSAPP_MAX_BODY_BYTES" in run(before, "status").stdout
    after = make_durable(MAX_BODY_BYTES=10_000)
    assert post(after, payload("sent")) == 200
    assert is_green(after, run)


def test_dead_events_are_handled_once_the_handler_is_fixed(
    make_durable: MakeApp, payload: Payload, run: RunCommand, tickets: Tickets
) -> None:
    """`retry --dead` calls a fixed handler, and `status` is green again."""
    app = make_durable(MAX_ATTEMPTS=1)
    tickets.error = ValueError("no tickets")
    assert post(app, payload("sent")) == 503
    assert "dead" in run(app, "status").stdout
    assert "no tickets" in run(app, "events", "--state", "dead").stdout
    tickets.error = None
    assert run(app, "retry", "--dead").exit_code == 0
    assert len(tickets.calls) == 2
    assert is_green(app, run)


def test_failing_event_is_tried_at_once(
    make_durable: MakeApp, payload: Payload, run: RunCommand, tickets: Tickets
) -> None:
    """`events --state pending` shows the error, and `retry --event` does not wait for the
    back-off.
    """
    app = make_durable()
    tickets.error = ValueError("no tickets")
    assert post(app, payload("sent")) == 503
    assert "no tickets" in run(app, "events", "--state", "pending").stdout
    tickets.error = None
    assert run(app, "retry", "--event", "1").exit_code == 0
    assert len(tickets.calls) == 2
    assert is_green(app, run)


def test_what_nobody_takes_up_is_handled_by_retry(
    deferred: Flask, payload: Payload, run: RunCommand, tickets: Tickets
) -> None:
    """`retry` handles everything that is due, however long the sweep was down."""
    assert post(deferred, payload("sent")) == 200
    make_due(deferred)
    limits = ("--max-overdue", "0s")
    assert "no process has picked it up" in run(deferred, "status", *limits).stdout
    assert run(deferred, "retry").exit_code == 0
    assert len(tickets.calls) == 1
    assert run(deferred, "status", *limits).exit_code == 0


def test_what_piled_up_is_worked_off(
    deferred: Flask, payload: Payload, run: RunCommand, tickets: Tickets
) -> None:
    """One more process works off what is above the limit."""
    for number in range(3):
        post(deferred, payload("sent", data__message_id=f"M{number}"))
    limits = ("--max-pending", "2")
    assert "3 events pending, which is more than 2" in run(deferred, "status", *limits).stdout
    assert run(deferred, "retry").exit_code == 0
    assert len(tickets.calls) == 3
    assert run(deferred, "status", *limits).exit_code == 0


def test_handler_that_was_not_connected_is_called_with_past_events(
    make_durable: MakeApp, payload: Payload, run: RunCommand
) -> None:
    """Once connected, `check` lists it, and `replay` calls it with the events it missed."""
    app = make_durable()
    assert post(app, payload("sent")) == 200
    assert "missing" not in run(app, "check").stdout
    calls: list[str] = []

    @status_received.connect
    @handler_name("missing")
    def missing(app: Flask, event: StatusEvent) -> None:
        calls.append(event.message_id)

    assert "missing" in run(app, "check").stdout
    assert run(app, "replay", "--handler", "missing", "--yes").exit_code == 0
    assert calls == [payload("sent")["data"]["message_id"]]


def test_full_memory_has_room_once_the_handler_is_fixed(
    make_app: MakeApp, payload: Payload, tickets: Tickets
) -> None:
    """Events that Freshdesk sends again are handled, and make room for new ones."""
    app = make_app()
    ledger = ledger_of(app)
    assert isinstance(ledger, MemoryLedger)
    ledger.store.max_events = 1
    tickets.error = ValueError("no tickets")
    first, second = (payload("sent", data__message_id=f"M{number}") for number in range(2))
    assert [post(app, first), post(app, second)] == [503, 503]
    assert len(tickets.calls) == 1
    tickets.error = None
    assert post(app, second) == 503
    assert [post(app, first), post(app, second)] == [200, 200]


def test_schema_that_refused_recorded_events_is_mended(
    make_durable: MakeApp, payload: Payload, run: RunCommand, tickets: Tickets
) -> None:
    """An event that died because of a broken schema is handled once the schema is fixed."""
    before = make_durable(DISPATCH="deferred")
    assert post(before, payload("sent")) == 200
    broken = make_durable(FreshdeskWhatsApp(schema=Refusing), DISPATCH="deferred", MAX_ATTEMPTS=1)
    make_due(broken)
    assert run(broken, "retry").exit_code == 1
    assert "dead" in run(broken, "status").stdout
    assert run(before, "retry", "--dead").exit_code == 0
    assert len(tickets.calls) == 1
    assert is_green(before, run)
