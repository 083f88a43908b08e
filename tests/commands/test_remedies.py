"""What docs/operating.md says to do helps: `status` is green again, and nothing is lost."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from marshmallow import ValidationError, validates_schema

from flask_fd_whatsapp import FreshdeskWhatsApp, OutboundMessageEventSchema
from flask_fd_whatsapp.receiving.write_behind import finish_writes

from ..conftest import TOKEN, URL, MakeApp, Payload
from .conftest import RunCommand, Tickets, url_in

NEW_TOKEN = "Bearer n3w"


class Refusing(OutboundMessageEventSchema):
    """A schema that has a mistake: it takes nothing."""

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
    """A token that Freshdesk has changed is rejected until both stand in a list."""
    before = make_durable()
    assert post(before, payload("sent"), NEW_TOKEN) == 401
    assert "has a wrong value" in run(before, "status").stdout
    after = make_durable(HEADERS={"Authorization": [TOKEN, NEW_TOKEN]})
    assert post(after, payload("sent"), NEW_TOKEN) == 200
    assert is_green(after, run)


def test_account_that_was_not_listed_is_replayed(
    make_durable: MakeApp, payload: Payload, run: RunCommand
) -> None:
    """What came of an account that was not listed is taken in once it is."""
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
    """What a schema with a mistake refused is taken in once the mistake is mended."""
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
    """A body that does not matter is discarded, and acknowledged until the next one comes."""
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
    """With a higher limit what Freshdesk sends again is taken in."""
    before = make_durable(MAX_BODY_BYTES=100)
    assert post(before, payload("sent")) == 413
    assert "FD_WHATSAPP_MAX_BODY_BYTES" in run(before, "status").stdout
    after = make_durable(MAX_BODY_BYTES=10_000)
    assert post(after, payload("sent")) == 200
    assert is_green(after, run)


def test_dead_events_are_handled_once_the_handler_is_fixed(
    make_durable: MakeApp, payload: Payload, run: RunCommand, tickets: Tickets
) -> None:
    """`retry --dead` calls a handler that was mended, and `status` is green again."""
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
    """`events --state pending` shows the error, and `retry --event` need not wait for its turn."""
    app = make_durable()
    tickets.error = ValueError("no tickets")
    assert post(app, payload("sent")) == 503
    assert "no tickets" in run(app, "events", "--state", "pending").stdout
    tickets.error = None
    assert run(app, "retry", "--event", "1").exit_code == 0
    assert len(tickets.calls) == 2
    assert is_green(app, run)
