from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from flask_fd_whatsapp import status_received

from .answers import OTHER_EVENT, UNUSABLE, client_of
from .conftest import URL, MakeApp, Payload

Seen = list[tuple[str, dict[str, Any]]]


def _all_answers(make_app: MakeApp, payload: Callable[..., dict[str, Any]]) -> list[object]:
    """Every kind of answer, with the state behind it."""
    app = make_app(ACCOUNT_IDS=["11011399037"], DATA_HEADERS=["X-Campaign"], MAX_ATTEMPTS=1)
    receiver = app.extensions["fd_whatsapp"]["fd_whatsapp"]
    client = client_of(app)

    @status_received.connect
    def fails(app: Flask, event: Any) -> None:
        if event.status == "SENT":
            raise ValueError("no")

    bodies = [
        *(json.dumps(payload(name)).encode() for name in ("queued", "sent", "queued", "sent")),
        *(json.dumps(payload(account_id=1)).encode(), OTHER_EVENT, b"", 70_000 * b" "),
        *(body for body, _ in UNUSABLE.values()),
    ]
    answers = [client.post(URL, data=body, headers={"X-Campaign": "C1"}) for body in bodies]
    statuses = {answer.status_code for answer in answers}
    assert statuses == {200, 400, 403, 413, 422, 503}
    ledger = receiver.ledger
    message_id = payload()["data"]["message_id"]
    told = [part for answer in answers for part in (answer.headers, answer.data)]
    entries = ledger.quarantined()
    kept = [ledger.message(message_id), *entries, *ledger.rejections.last()]
    kept += [(entry.headers, entry.detail) for entry in entries]
    kept += [ledger.quarantine.body(entry.id) for entry in entries]
    state = [receiver, receiver.settings, ledger, app.blueprints, app.extensions]
    stored = [vars(ledger)]
    return [*told, *kept, *state, *stored]


def test_nothing_holds_a_headers_value(
    make_app: MakeApp, payload: Payload, signals_seen: Seen, caplog: pytest.LogCaptureFixture
) -> None:
    """No answer, log line, signal, repr or ledger entry holds the value of a header."""
    caplog.set_level(logging.DEBUG)
    said = [*_all_answers(make_app, payload), signals_seen, caplog.text]
    said += [told["event"].headers for _, told in signals_seen if "event" in told]
    text = "\n".join(map(repr, said))
    assert "C1" in text
    assert "s3cret" not in text
