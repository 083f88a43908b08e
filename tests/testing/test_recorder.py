from __future__ import annotations

import pytest
from flask import Flask

from flask_fd_whatsapp import StatusEvent, message_failed, message_read, status_received
from flask_fd_whatsapp.signals import EVENT_SIGNALS, NOTICES
from flask_fd_whatsapp.testing import EventBuilder, WhatsAppClient
from flask_fd_whatsapp.testing.recorder import recorded

from ..conftest import MakeApp
from ..scripted import Scripted


def test_signals_are_recorded_in_order(whatsapp: WhatsAppClient, events: EventBuilder) -> None:
    """Signals are recorded in the order they are sent, with their arguments."""
    with recorded(whatsapp.app) as seen:
        whatsapp.play([events.read(), events.sent()])
        whatsapp.post("{")
    assert [(signal.name, [*signal.arguments]) for signal in seen] == [
        ("message_read", ["event"]),
        ("status_changed", ["event"]),
        ("status_received", ["event"]),
        ("message_sent", ["event"]),
        ("status_received", ["event"]),
        ("webhook_rejected", ["reason", "status_code", "errors"]),
    ]
    assert [signal.event.status for signal in seen[:5]] == ["READ"] * 3 + ["SENT"] * 2
    with pytest.raises(LookupError, match="webhook_rejected has no event, but reason"):
        _ = seen[-1].event


def test_failing_handler_is_recorded(whatsapp: WhatsAppClient, events: EventBuilder) -> None:
    """A failing handler is recorded too, and does not repeat the others."""
    message_failed.connect(handler := Scripted("broken", ValueError()))
    with recorded(whatsapp.app) as seen:
        assert whatsapp.post(events.failed()).status_code == 503
        assert whatsapp.post(events.failed()).status_code == 200
    assert len(handler.events) == 2
    names = [signal.name for signal in seen]
    assert sorted(names) == [
        "handler_failed",
        "message_failed",
        "status_changed",
        "status_received",
    ]
    assert seen[names.index("handler_failed")].arguments["handler"] == "broken"


def test_other_app(app: Flask, make_app: MakeApp, events: EventBuilder) -> None:
    """Only signals sent for the application under test are recorded."""
    other = WhatsAppClient(make_app())
    with recorded(app) as seen:
        other.play(events.journey())
    assert seen == []


def test_recorder_leaves_nothing_connected(whatsapp: WhatsAppClient, events: EventBuilder) -> None:
    """The recorder disconnects itself, and the host's handlers stay connected."""

    @status_received.connect
    def handler(app: Flask, event: StatusEvent) -> None: ...

    with recorded(whatsapp.app) as seen:
        pass
    whatsapp.play([events.sent()])
    assert seen == []
    connected = [signal.name for signal in (*EVENT_SIGNALS, *NOTICES) if signal.receivers]
    assert connected == ["status_received"]


def test_muted_signal_is_not_recorded(whatsapp: WhatsAppClient, events: EventBuilder) -> None:
    """A muted signal is not sent, and not recorded."""
    with recorded(whatsapp.app) as seen, message_read.muted():
        whatsapp.play([events.read()])
    assert [signal.name for signal in seen] == ["status_changed", "status_received"]


def test_check_command(app: Flask) -> None:
    """The recorder causes no warning of the host's check."""
    with recorded(app):
        result = app.test_cli_runner().invoke(args=["fd-whatsapp", "check"])
    assert result.exit_code == 0
    assert "arning" not in result.output
