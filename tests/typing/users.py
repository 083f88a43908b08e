"""Code as users write it: it must type-check under mypy's strict mode and pyright."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, assert_type

import pytest
from flask import Flask
from marshmallow import fields
from werkzeug.test import TestResponse

from flask_fd_whatsapp import (
    Actor,
    ConfigurationError,
    DeliveryError,
    FailureClass,
    FreshdeskWhatsApp,
    FreshdeskWhatsAppError,
    OutboundMessageEventSchema,
    RetryLater,
    Status,
    StatusEvent,
    current_ledger,
    event_dead,
    handler_failed,
    handler_name,
    message_delivered,
    message_failed,
    message_queued,
    message_read,
    message_sent,
    status_changed,
    status_received,
    webhook_rejected,
)
from flask_fd_whatsapp.failure_reasons import Failure
from flask_fd_whatsapp.freshdesk import (
    FieldError,
    FreshdeskClient,
    Image,
    MessageNotFound,
    NotSent,
    OutboundMessage,
    RateLimited,
    Refused,
    SendUnknown,
    Sent,
    TemplateMessage,
    URLButton,
)
from flask_fd_whatsapp.ledger import (
    Event,
    Ledger,
    MemoryLedger,
    Message,
    Quarantined,
    Rejection,
    State,
)
from flask_fd_whatsapp.simulator import FreshdeskSimulator, Report, SimulatedMessage, disagreements
from flask_fd_whatsapp.testing import (
    EventBuilder,
    Payload,
    SentSignal,
    WhatsAppClient,
    assert_same_in_every_order,
    assert_same_under_duplicates,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrandedEvent(StatusEvent):
    brand: str | None = None


class BrandedEventSchema(OutboundMessageEventSchema):
    event_class = BrandedEvent

    brand = fields.String(load_default=None)


def make_ledger(app: Flask) -> Ledger:
    return MemoryLedger(max_events=100)


def create_app() -> Flask:
    app = Flask(__name__)
    app.config["FD_WHATSAPP_HEADERS"] = {"Authorization": ["Bearer new", "Bearer old"]}
    app.config["FD_WHATSAPP_CAMPAIGN"] = re.compile(r"^\w+-(?P<campaign>\w+)-")
    app.register_blueprint(FreshdeskWhatsApp())
    app.register_blueprint(FreshdeskWhatsApp(url_prefix="/a", schema=BrandedEventSchema), name="a")
    app.register_blueprint(
        FreshdeskWhatsApp(
            "other",
            config_prefix="OTHER",
            url_prefix="/other",
            schema=BrandedEventSchema(),
            ledger=make_ledger,
        )
    )
    app.register_blueprint(FreshdeskWhatsApp("third", url_prefix="/b", ledger=MemoryLedger()))

    @status_changed.connect_via(app)
    def sync_branded_ticket(app: Flask, event: BrandedEvent) -> None:
        assert_type(event.brand, str | None)

    return app


@status_changed.connect
@handler_name("tickets")
def sync_ticket(app: Flask, event: StatusEvent) -> None:
    assert_type(event.version, str | None)
    assert_type(event.account_id, str)
    assert_type(event.account_domain, str | None)
    assert_type(event.event_type, str)
    assert_type(event.event_time, datetime | None)
    assert_type(event.actor, Actor | None)
    assert_type(event.message_id, str)
    assert_type(event.external_reference_id, str | None)
    assert_type(event.status, Status | str)
    assert_type(event.timestamp, datetime)
    assert_type(event.error, DeliveryError | None)
    assert_type(event.payload, dict[str, Any])
    assert_type(event.headers, Mapping[str, str])
    assert_type(event.campaign, str | None)
    assert_type(event.previous_status, Status | None)
    assert_type(event.is_stale, bool)
    assert_type(event.failure, Failure | None)
    if event.failure is not None:
        assert_type(event.failure.failure_class, FailureClass)
        assert_type(event.failure.is_permanent, bool)
        assert_type(event.failure.advice, str)
    assert_type(event.rank, int | None)


@message_queued.connect
@message_sent.connect
@message_delivered.connect
@message_read.connect
def count(app: Flask, event: StatusEvent, **_: Any) -> None:
    app.logger.info("%s of %s", event.status, event.campaign or "no campaign")
    if event.status == Status.READ and event.actor is not None:
        assert_type(event.actor.name, str | None)


@message_failed.connect
async def tell_the_agent(app: Flask, event: StatusEvent) -> None:
    if event.is_stale:
        return
    if event.error is not None and event.error.code == "130429":
        raise RetryLater(300)


@status_received.connect
def look_up(app: Flask, event: StatusEvent) -> None:
    message = current_ledger.message(event.message_id, account_id=event.account_id)
    assert_type(message, Message | None)
    if message is not None:
        assert_type(message.status, Status | None)
        assert_type(message.times.get(Status.READ), datetime | None)
        assert_type(message.error, DeliveryError | None)
    assert_type(current_ledger.messages(external_reference_id="MM-T1-00001"), list[Message])
    assert_type(current_ledger.quarantined(receiver="fd_whatsapp"), list[Quarantined])
    assert_type(current_ledger.quarantine.body(1), bytes | None)
    assert_type(current_ledger.rejections.last(), list[Rejection])
    assert_type(current_ledger.events(status="SENT", state=State.DEAD, limit=5), list[Event])
    current_ledger.events(statsu="SENT")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    current_ledger.events(limit="5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert_type(current_ledger.durable, bool)


@webhook_rejected.connect
def note_rejection(
    app: Flask, reason: str, status_code: int, errors: Mapping[str, list[str]]
) -> None: ...


@handler_failed.connect
def note_failure(
    app: Flask, event: StatusEvent, handler: str, exception: BaseException
) -> None: ...


@event_dead.connect
def note_death(app: Flask, event: StatusEvent) -> None: ...


def load(payload: dict[str, Any]) -> StatusEvent | None:
    try:
        event = OutboundMessageEventSchema().load(payload)
    except (ConfigurationError, FreshdeskWhatsAppError):
        return None
    assert isinstance(event, StatusEvent)
    return event


@pytest.fixture
def app() -> Flask:
    return create_app()


@pytest.fixture
def fd_whatsapp_client(fd_whatsapp_client: WhatsAppClient) -> WhatsAppClient:
    return fd_whatsapp_client.to("other")


def test_ticket(
    app: Flask,
    fd_whatsapp_client: WhatsAppClient,
    fd_whatsapp_events: EventBuilder,
    fd_whatsapp_signals: list[SentSignal],
) -> None:
    assert_type(fd_whatsapp_events.external_reference_id, str)
    assert_type(fd_whatsapp_events.sent(timestamp=datetime.now(UTC), account_id=7), Payload)
    fd_whatsapp_events.sent(acount_id=7)  # type: ignore[call-arg]
    assert_type(fd_whatsapp_events.failed(code="131026", actor=None), Payload)
    assert_type(fd_whatsapp_events.event("PLAYED", event_time=None), Payload)
    assert_type(fd_whatsapp_events.another(), EventBuilder)
    answer = fd_whatsapp_client.post(
        fd_whatsapp_events.read() | {"brand": "Umbrella"}, headers={"X-Tenant": "acme"}
    )
    assert_type(answer, TestResponse)
    assert_type(fd_whatsapp_client.play(fd_whatsapp_events.journey("SENT", "READ")), list[str])
    for signal in fd_whatsapp_signals:
        assert_type(signal.name, str)
        assert_type(signal.event, StatusEvent)
        assert_type(signal.arguments, Mapping[str, Any])


def test_handlers(app: Flask, fd_whatsapp_client: WhatsAppClient) -> None:
    tickets: dict[str, str] = {}

    assert_same_in_every_order(fd_whatsapp_client, lambda message: tickets[message.message_id])
    assert_same_under_duplicates(
        fd_whatsapp_client,
        lambda message: tickets[message.message_id],
        new_message=lambda: EventBuilder(account_id="42", start=datetime.now(UTC)),
        journeys=[["SENT", "FAILED"], [Status.READ]],
    )


def rehearse(ledger: Ledger) -> None:
    with FreshdeskSimulator(faults=["duplicates"], seed=7) as simulator:
        assert_type(simulator.send("MM-T1-00001"), SimulatedMessage)
        assert_type(simulator.report, Report)
    for message, problem in disagreements(ledger, simulator.messages.values()):
        assert_type(message.final_status, str)
        assert_type(problem, str)


def send(client: FreshdeskClient) -> None:
    template = TemplateMessage(
        "order_update", "en", body=["Ada"], header=Image("https://x"), buttons=[URLButton(0, "a")]
    )
    try:
        assert_type(client.send(to="+4930123456", template=template), Sent)
    except Refused as error:
        assert_type(error.errors, tuple[FieldError, ...])
    except RateLimited as error:
        assert_type(error.retry_after, float)
    except NotSent:
        raise
    except SendUnknown as error:
        assert_type(error.external_reference_id, str)
    try:
        told = client.retrieve("01KAB4HHTBE081898E432RCMA7")
    except MessageNotFound:
        return
    assert_type(told, OutboundMessage)
    assert_type(told.status, Status | str)
    client.send(to="+4930123456", template="order_update")  # type: ignore[arg-type]
