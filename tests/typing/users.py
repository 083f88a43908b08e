"""Code as users write it: it must type-check under mypy's strict mode and pyright."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, assert_type

from flask import Flask
from marshmallow import fields

from flask_fd_whatsapp import (
    Actor,
    ConfigurationError,
    DeliveryError,
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
from flask_fd_whatsapp.ledger import Ledger, MemoryLedger, Message, Quarantined


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
    assert_type(current_ledger.quarantined(), list[Quarantined])
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
