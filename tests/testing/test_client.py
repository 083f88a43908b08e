from __future__ import annotations

from typing import Any

import pytest
from flask import Flask, redirect, request
from werkzeug.middleware.proxy_fix import ProxyFix

from flask_fd_whatsapp import FreshdeskWhatsApp, GiveUp, RetryLater, StatusEvent, message_read
from flask_fd_whatsapp.exceptions import NoSuchReceiver
from flask_fd_whatsapp.testing import EventBuilder, WhatsAppClient

from ..conftest import TOKEN, MakeApp
from ..scripted import Scripted


def status_of(app: Flask, events: EventBuilder, name: str = "fd_whatsapp") -> str | None:
    message = app.extensions["fd_whatsapp"][name].ledger.message(events.message_id)
    return None if message is None else message.status


@pytest.fixture
def two() -> Flask:
    """An application with two receivers."""
    app = Flask("two")
    app.testing = True
    for name in ("europe", "america"):
        app.config[f"FD_WHATSAPP_{name.upper()}_HEADERS"] = {"Authorization": f"Bearer {name}"}
        app.register_blueprint(
            FreshdeskWhatsApp(
                name, config_prefix=f"FD_WHATSAPP_{name.upper()}", url_prefix=f"/{name}"
            )
        )
    return app


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"HEADERS": {"Authorization": ["Bearer new", "Bearer old"], "X-Gate": "g"}},
        {"HEADERS": {}, "ALLOW_UNAUTHENTICATED": True},
    ],
)
def test_events_are_posted_with_configured_headers(
    make_app: MakeApp, events: EventBuilder, settings: dict[str, Any], caplog: Any
) -> None:
    """Events are posted with the configured headers, the first entry where there are several."""
    app = make_app(**settings)
    with caplog.at_level("INFO"):
        answer = WhatsAppClient(app).post(events.sent())
    assert (answer.status_code, answer.get_json()) == (200, {"result": "accepted"})
    assert "entry" not in caplog.text
    assert status_of(app, events) == "SENT"


def test_other_headers(make_app: MakeApp, events: EventBuilder) -> None:
    """Extra headers are added to the configured ones, or replace them."""
    handler = Scripted("handler")
    message_read.connect(handler)
    whatsapp = WhatsAppClient(make_app(DATA_HEADERS=["X-Tenant"]))
    assert whatsapp.post(events.read(), headers={"x-tenant": "acme"}).status_code == 200
    assert dict(handler.events[0].headers) == {"X-Tenant": "acme"}
    assert whatsapp.post(events.read(), headers={"authorization": "wrong"}).status_code == 401


@pytest.mark.parametrize("body", ["{", b"\xff"])
def test_raw_body(whatsapp: WhatsAppClient, body: str | bytes) -> None:
    """Text and bytes are posted as they are."""
    assert whatsapp.post(body).status_code == 400


def test_field_order(whatsapp: WhatsAppClient, events: EventBuilder) -> None:
    """The body's fields are in the payload's order."""
    handler = Scripted("handler")
    message_read.connect(handler)
    payload = events.read()
    whatsapp.post(payload)
    assert list(handler.events[0].payload) == list(payload)
    assert list(handler.events[0].payload["data"]) == list(payload["data"])


def test_receiver_is_chosen_by_name(two: Flask, events: EventBuilder) -> None:
    """If there are several receivers, one is chosen by its name."""
    whatsapp = WhatsAppClient(two)
    assert whatsapp.to("europe").play([events.sent()]) == ["accepted"]
    assert status_of(two, events, "europe") == "SENT"
    assert status_of(two, events, "america") is None


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (None, r"choose one with .*to\(name\), out of europe, america"),
        ("asia", "no receiver 'asia'"),
    ],
)
def test_wrong_choice(two: Flask, events: EventBuilder, name: str | None, message: str) -> None:
    """No choice, or an unknown one, is an error that lists the receivers."""
    with pytest.raises(NoSuchReceiver, match=message):
        WhatsAppClient(two, name).post(events.sent())


def test_no_receiver(events: EventBuilder) -> None:
    """An application without a receiver is an error that says so."""
    with pytest.raises(NoSuchReceiver, match="No FreshdeskWhatsApp blueprint"):
        WhatsAppClient(Flask("bare")).post(events.sent())


@pytest.mark.parametrize(
    "config",
    [
        {"SERVER_NAME": "host.example"},
        {"TRUSTED_HOSTS": [".host.example"]},
        {"APPLICATION_ROOT": "/under"},
        {"PREFERRED_URL_SCHEME": "https"},
    ],
)
def test_receiver_is_found_whatever_the_roots(
    make_app: MakeApp, events: EventBuilder, config: dict[str, Any]
) -> None:
    """The receiver is found with any settings of the host about names and roots."""
    app = make_app()
    app.config.update(config)
    assert WhatsAppClient(app).play([events.sent()]) == ["accepted"]


def test_events_come_by_https(app: Flask, events: EventBuilder) -> None:
    """Events come by HTTPS, as from Freshdesk."""

    @app.before_request
    def insist() -> Any:
        return None if request.is_secure else redirect("https://host.example/")

    app.wsgi_app = ProxyFix(app.wsgi_app)  # type: ignore[method-assign]
    assert WhatsAppClient(app).play([events.sent()]) == ["accepted"]


def test_play_tells_what_was_new(whatsapp: WhatsAppClient, events: EventBuilder) -> None:
    """A journey is played in order, and the results say what was new."""
    journey = events.journey()
    assert whatsapp.play([*journey, *journey]) == ["accepted"] * 4 + ["duplicate"] * 4
    assert status_of(whatsapp.app, events) == "READ"


def test_play_failing_handler(whatsapp: WhatsAppClient, events: EventBuilder) -> None:
    """A handler that fails makes the play fail, with its name and its exception."""

    @message_read.connect
    def broken(app: Flask, event: StatusEvent) -> None:
        raise LookupError("no such ticket")

    with pytest.raises(
        AssertionError, match=r"^READ of message \w+: the handler message_read:.*broken raised Look"
    ) as caught:
        whatsapp.play(events.journey())
    assert isinstance(caught.value.__cause__, LookupError)


@pytest.mark.parametrize(
    ("settings", "changes", "message"),
    [
        ({"ACCOUNT_IDS": ["42"]}, {}, r"403 FORBIDDEN .*EventBuilder\(account_id=\.\.\.\)"),
        ({}, {"message_id": True}, r"422 .* data\.message_id: "),
        ({"REJECT_INVALID": False}, {"message_id": True}, r"200 OK \(quarantined\)"),
        ({}, {"event_type": "other"}, r"200 OK \(ignored\)"),
    ],
)
def test_play_not_taken(
    make_app: MakeApp, events: EventBuilder, settings: Any, changes: Any, message: str
) -> None:
    """A rejected event makes the play fail, with the answer."""
    with pytest.raises(AssertionError, match=message):
        WhatsAppClient(make_app(**settings)).play([events.sent(**changes)])


def test_play_retry_later(whatsapp: WhatsAppClient, events: EventBuilder) -> None:
    """A handler that asks to be called again makes the play fail, and says when."""
    handler = Scripted("handler", RetryLater(7))
    message_read.connect(handler)
    with pytest.raises(AssertionError, match=r"503 .*Retry-After: 7"):
        whatsapp.play([events.read()])


def test_play_in_the_way(app: Flask, events: EventBuilder) -> None:
    """An answer that is not the receiver's is reported as such."""
    app.before_request(lambda: redirect("/login"))
    with pytest.raises(AssertionError, match=r"302 FOUND to /login - not by the receiver: .*check"):
        WhatsAppClient(app).play([events.sent()])


def test_client_errors_hide_headers(make_app: MakeApp, events: EventBuilder) -> None:
    """No error shows a configured header's value."""
    whatsapp = WhatsAppClient(make_app(ACCOUNT_IDS=["42"]))
    with pytest.raises(AssertionError) as caught:
        whatsapp.play([events.sent()])
    assert TOKEN not in str(caught.value)
    assert TOKEN not in repr(vars(whatsapp))


def test_deferred_handlers_have_run_after_the_play(
    make_durable: MakeApp, events: EventBuilder
) -> None:
    """With deferred dispatch, the handlers have been called when the play is over."""
    whatsapp = WhatsAppClient(make_durable(DISPATCH="deferred"))
    handler = Scripted("handler")
    message_read.connect(handler)
    whatsapp.post(events.read())
    assert handler.events == []
    assert whatsapp.play([events.sent()]) == ["accepted"]
    assert handler.statuses == ["READ"]


def test_deferred_give_up(make_durable: MakeApp, events: EventBuilder) -> None:
    """With deferred dispatch, a handler that gives up fails the play too."""
    handler = Scripted("handler", GiveUp("no such order"))
    message_read.connect(handler)
    with pytest.raises(AssertionError, match="is dead: a handler gave up"):
        WhatsAppClient(make_durable(DISPATCH="deferred")).play([events.read()])


def test_deferred_retry_later(make_durable: MakeApp, events: EventBuilder) -> None:
    """With deferred dispatch, a handler that postpones fails the play too."""
    handler = Scripted("handler", RetryLater(7))
    message_read.connect(handler)
    with pytest.raises(AssertionError, match="asks to be called again later"):
        WhatsAppClient(make_durable(DISPATCH="deferred")).play([events.read()])
