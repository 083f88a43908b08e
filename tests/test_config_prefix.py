"""Messages about a setting name the receiver's own key."""

from __future__ import annotations

import json
from typing import Any, Never

import pytest
from flask import Flask

from flask_fd_whatsapp import FreshdeskWhatsApp, current_ledger, status_received
from flask_fd_whatsapp.exceptions import FreshdeskWhatsAppError

from .answers import assert_problem, assert_result, client_of
from .conftest import TOKEN, URL, Payload


def campaign_of(reference: str) -> Never:
    raise ValueError(reference)


@pytest.fixture
def app() -> Flask:
    """An application whose only receiver has a prefix of its own."""
    app = Flask("host")
    app.testing = True
    settings: dict[str, Any] = {
        "HEADERS": {"Authorization": TOKEN},
        "CAMPAIGN": campaign_of,
        "QUARANTINE_MAX": 1,
    }
    app.config.update({f"EUROPE_{key}": value for key, value in settings.items()})
    app.register_blueprint(FreshdeskWhatsApp("europe", config_prefix="EUROPE"))
    return app


def test_rejection_is_told_with_its_key(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    """A wrong token is reported with the receiver's name and key."""
    assert_problem(app.test_client().post(URL), 401)
    (record,) = caplog.records
    assert record.getMessage().startswith("europe: a request was rejected")
    assert "see EUROPE_HEADERS." in record.getMessage()


def test_full_quarantine(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    """Evictions from a full quarantine are logged with the key of the limit."""
    for body in (b"1", b"2"):
        assert_problem(client_of(app).post(URL, data=body), 400)
    assert "The quarantine is full (EUROPE_QUARANTINE_MAX is 1): evicted 1 least" in caplog.text


def test_raising_campaign_is_told_with_its_key(
    app: Flask, payload: Payload, caplog: pytest.LogCaptureFixture
) -> None:
    """A failing campaign callable is logged with its key."""
    assert_result(client_of(app).post(URL, data=json.dumps(payload())), "accepted")
    (record,) = [r for r in caplog.records if r.name.endswith(".campaigns")]
    assert record.getMessage() == "EUROPE_CAMPAIGN raised ValueError: no campaign."


def test_transaction_in_memory(app: Flask, payload: Payload) -> None:
    """Asking an in-memory ledger for a transaction names the key of another ledger."""
    errors: list[str] = []

    @status_received.connect_via(app)
    def write(app: Flask, event: object) -> None:
        with pytest.raises(FreshdeskWhatsAppError) as raised:
            current_ledger.transaction  # noqa: B018
        errors.append(str(raised.value))

    client_of(app).post(URL, json=payload())
    (error,) = errors
    assert "set EUROPE_LEDGER_URL" in error
