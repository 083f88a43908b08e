"""What is compared: each function makes one WSGI application that takes the POST.

To add one, write its function and name it in :data:`VARIANTS`.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

from blinker import Signal
from flask import Flask, request
from flask.typing import ResponseReturnValue
from marshmallow import EXCLUDE, Schema, ValidationError, fields, post_load, validate

from flask_fd_whatsapp import FreshdeskWhatsApp, Status, StatusEvent, status_changed

from .durable import floor, sqlite
from .requests import TOKEN, URL

Make = Callable[[Path], Flask]
"""Makes an application, which may keep files in the directory that is given."""


def bare(directory: Path) -> Flask:
    """The route that all are compared with: it parses the JSON and does nothing with it."""
    app = Flask("bare")

    @app.post(URL)
    def receive() -> ResponseReturnValue:
        request.get_json()
        return "", 204

    return app


def naive(directory: Path) -> Flask:
    """What one might write first: token, four schemas, a dict for duplicates, one signal."""
    app = Flask("naive")
    schema, changed, seen = _EventSchema(), Signal(), dict[tuple[str, str, str], _Event]()

    @changed.connect_via(app)
    def handler(app: Flask, event: _Event) -> None:
        pass

    @app.post(URL)
    def receive() -> ResponseReturnValue:
        if not hmac.compare_digest(request.headers.get("Authorization", ""), TOKEN):
            return {"error": "unauthenticated"}, 401
        try:
            event = schema.load(request.get_json())
        except ValidationError as error:
            return {"error": error.messages}, 422
        key = event.account_id, event.data.message_id, event.data.status
        if key not in seen:
            seen[key] = event
            changed.send(app, event=event)
        return {"result": "accepted"}

    return app


def memory(directory: Path) -> Flask:
    """This package with the in-memory ledger and one handler on ``status_changed``."""
    app = Flask("memory")
    app.config["FD_WHATSAPP_HEADERS"] = {"Authorization": TOKEN}
    app.testing = True  # no warning about the in-memory ledger
    app.register_blueprint(FreshdeskWhatsApp())

    @status_changed.connect_via(app)
    def handler(app: Flask, event: StatusEvent) -> None:
        pass

    return app


def otel(directory: Path) -> Flask:
    """``memory``, counted and timed by ``instrument`` with the SDK of OpenTelemetry."""
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    from flask_fd_whatsapp.monitoring import instrument

    app = memory(directory)
    provider = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False)
    instrument(app, meter_provider=provider)
    return app


VARIANTS: dict[str, Make] = {
    "bare": bare,
    "naive": naive,
    "memory": memory,
    "otel": otel,
    "sqlite": sqlite,
    "floor": floor,
}
"""All variants by name; the first is what the others are compared with."""


@dataclass(frozen=True)
class _Actor:
    id: Any = None
    name: str | None = None
    type: str | None = None


@dataclass(frozen=True)
class _Error:
    code: Any = None
    message: str | None = None


@dataclass(frozen=True)
class _Data:
    message_id: str
    status: str
    timestamp: datetime
    external_reference_id: str | None = None
    error: _Error | None = None


@dataclass(frozen=True)
class _Event:
    account_id: str
    event_type: str
    data: _Data
    version: str | None = None
    account_domain: str | None = None
    event_time: datetime | None = None
    actor: _Actor | None = None


class _Loaded(Schema):
    loaded: ClassVar[type]

    class Meta:
        unknown = EXCLUDE

    @post_load
    def make(self, values: dict[str, Any], **_: Any) -> Any:
        return self.loaded(**values)


class _ActorSchema(_Loaded):
    loaded = _Actor
    id = fields.Raw(allow_none=True)
    name = fields.String(allow_none=True)
    type = fields.String(allow_none=True)


class _ErrorSchema(_Loaded):
    loaded = _Error
    code = fields.Raw(allow_none=True)
    message = fields.String(allow_none=True)


class _DataSchema(_Loaded):
    loaded = _Data
    external_reference_id = fields.String(allow_none=True, validate=validate.Length(max=255))
    message_id = fields.String(required=True, validate=validate.Length(1, 255))
    status = fields.String(required=True, validate=validate.OneOf(list(Status)))
    timestamp = fields.AwareDateTime(required=True)
    error = fields.Nested(_ErrorSchema, allow_none=True)


class _EventSchema(_Loaded):
    loaded = _Event
    version = fields.String(allow_none=True)
    account_id = fields.String(required=True, validate=validate.Length(1, 255))
    account_domain = fields.String(allow_none=True)
    event_type = fields.String(required=True)
    event_time = fields.AwareDateTime(allow_none=True)
    actor = fields.Nested(_ActorSchema, allow_none=True)
    data = fields.Nested(_DataSchema, required=True)
