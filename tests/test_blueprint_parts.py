"""Passing a schema and a ledger to the blueprint."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Barrier, Event
from typing import Any

import pytest
from flask import Flask, current_app
from marshmallow import fields

from flask_fd_whatsapp import (
    FreshdeskWhatsApp,
    OutboundMessageEventSchema,
    StatusEvent,
    current_ledger,
    status_received,
)
from flask_fd_whatsapp.ledger import Ledger, MemoryLedger

from .conftest import URL, MakeApp, Payload
from .scripted import Scripted, authorized


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionEvent(StatusEvent):
    region: str | None = None


class RegionSchema(OutboundMessageEventSchema):
    event_class = RegionEvent
    region = fields.String(load_default=None)


class Opening:
    """A ledger factory that fails as often as it is told."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.apps: list[Flask] = []
        self.ledger = MemoryLedger()

    def __call__(self, app: Flask) -> Ledger:
        assert current_app._get_current_object() is app  # type: ignore[attr-defined]
        self.apps.append(app)
        if len(self.apps) <= self.failures:
            raise ConnectionError("the database is down")
        return self.ledger


@pytest.mark.parametrize("schema", [RegionSchema, RegionSchema()])
def test_own_schema_loads_the_event(make_app: MakeApp, payload: Payload, schema: Any) -> None:
    """A schema, class or instance, loads the event that handlers get."""
    seen = Scripted("seen")
    status_received.connect(seen)
    body = {**payload(), "region": "south"}
    app = make_app(FreshdeskWhatsApp(schema=schema))
    assert authorized(app).post(URL, json=body).status_code == 200
    (event,) = seen.events
    assert isinstance(event, RegionEvent)
    assert (event.region, event.status, event.payload) == ("south", "QUEUED", body)


@dataclass(frozen=True, slots=True, kw_only=True)
class TitledEvent(StatusEvent):
    title: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "title", f"{self.campaign} from {self.previous_status}")


class TitledSchema(OutboundMessageEventSchema):
    event_class = TitledEvent


def test_derived_fields(make_app: MakeApp, payload: Payload) -> None:
    """A host's event class computes its values also from what the ledger knows."""
    app = make_app(FreshdeskWhatsApp(schema=TitledSchema), CAMPAIGN="^.")
    seen = Scripted("seen")
    status_received.connect(seen)
    for name in ("sent", "read"):
        authorized(app).post(URL, json=payload(name))
    campaign = seen.events[0].campaign
    assert campaign is not None
    assert [event.title for event in seen.events] == [
        f"{campaign} from None",
        f"{campaign} from SENT",
    ]


def test_schema_is_built_once(make_app: MakeApp, payload: Payload) -> None:
    """A schema class is instantiated once, at registration."""
    built = 0

    class Counted(OutboundMessageEventSchema):
        def __init__(self) -> None:
            nonlocal built
            built += 1
            super().__init__()

    app = make_app(FreshdeskWhatsApp(schema=Counted))
    for status in ("queued", "sent"):
        authorized(app).post(URL, json=payload(status))
    assert built == 1


def test_ledger_object(make_app: MakeApp, payload: Payload) -> None:
    """A ledger object is used as it is."""
    given = MemoryLedger()
    app = make_app(FreshdeskWhatsApp(ledger=given))
    assert authorized(app).post(URL, json=payload()).status_code == 200
    assert given.message(payload()["data"]["message_id"]) is not None
    with app.app_context():
        assert current_ledger == given


def test_ledger_factory(make_app: MakeApp, payload: Payload) -> None:
    """A ledger factory is called once, with the application and in its context."""
    opening = Opening()
    app = make_app(FreshdeskWhatsApp(ledger=opening))
    for status in ("queued", "sent"):
        assert authorized(app).post(URL, json=payload(status)).status_code == 200
    assert opening.apps == [app]
    assert opening.ledger.message(payload()["data"]["message_id"]) is not None


def test_ledger_factory_of_two_apps(make_app: MakeApp, payload: Payload) -> None:
    """A blueprint's ledger factory creates a ledger for each application."""
    blueprint = FreshdeskWhatsApp(ledger=lambda app: MemoryLedger())
    for app in (make_app(blueprint), make_app(blueprint)):
        assert authorized(app).post(URL, json=payload()).json == {"result": "accepted"}


def test_ledger_factory_has_a_context(make_app: MakeApp) -> None:
    """A ledger factory has an application context, wherever the ledger is first used."""
    opening = Opening()
    app = make_app(FreshdeskWhatsApp(ledger=opening))
    assert app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger is opening.ledger


def test_ledger_factory_under_threads(make_app: MakeApp, payload: Payload) -> None:
    """Concurrent first requests share one ledger."""
    opening, threads, second = Opening(), 8, Event()

    def factory(app: Flask) -> Ledger:
        if opening.apps:
            second.set()
        ledger = opening(app)
        second.wait(0.1)  # gives others time to interfere, if they can
        return ledger

    app = make_app(FreshdeskWhatsApp(ledger=factory))
    ready = Barrier(threads)

    def post(number: int) -> int:
        body = payload(data__message_id=f"M{number}")
        ready.wait(10)
        return authorized(app).post(URL, json=body).status_code

    with ThreadPoolExecutor(threads) as pool:
        assert set(pool.map(post, range(threads))) == {200}
    assert opening.apps == [app]


def test_broken_factory(
    make_app: MakeApp, payload: Payload, caplog: pytest.LogCaptureFixture
) -> None:
    """A ledger that is down is a 503 at first use, and works as soon as it is up."""
    seen = Scripted("seen")
    status_received.connect(seen)
    client = authorized(make_app(FreshdeskWhatsApp(ledger=Opening(failures=2))))
    for _ in range(2):
        answer = client.post(URL, json=payload())
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert answer.mimetype == "application/problem+json"
    assert seen.events == []
    assert "the database is down" in caplog.text
    assert client.post(URL, json=payload()).json == {"result": "accepted"}
    assert seen.statuses == ["QUEUED"]


def test_log_names_the_command(
    make_app: MakeApp, payload: Payload, caplog: pytest.LogCaptureFixture
) -> None:
    """The log names the command that diagnoses a ledger that is down."""
    client = authorized(make_app(FreshdeskWhatsApp(ledger=Opening(failures=1))))
    client.post(URL, json=payload())
    assert "flask fd-whatsapp" in caplog.text


@pytest.mark.parametrize("given", [lambda app: None, lambda: MemoryLedger()])
def test_factory_of_no_ledger(make_app: MakeApp, payload: Payload, given: Any) -> None:
    """A factory that returns no ledger is a 503 and never a false 200."""
    answer = authorized(make_app(FreshdeskWhatsApp(ledger=given))).post(URL, json=payload())
    assert answer.status_code == 503


def test_database_url_is_never_memory(make_app: MakeApp, payload: Payload, tmp_path: Path) -> None:
    """With a database configured, nothing is acknowledged that is only in memory."""
    pytest.importorskip("alembic")
    app = make_app(LEDGER_URL=f"sqlite:///{tmp_path / 'events.db'}")
    answer = authorized(app).post(URL, json=payload())
    receiver = app.extensions["fd_whatsapp"]["fd_whatsapp"]
    assert answer.status_code == 503 or receiver.ledger.durable


@pytest.mark.parametrize(("quiet", "warnings"), [(None, 1), ("debug", 0), ("testing", 0)])
def test_memory_warning(
    make_app: MakeApp,
    payload: Payload,
    caplog: pytest.LogCaptureFixture,
    quiet: str | None,
    warnings: int,
) -> None:
    """Outside debug mode and tests, one warning says that an in-memory ledger loses events."""
    app = make_app()
    app.testing = False
    if quiet:
        setattr(app, quiet, True)
    for status in ("queued", "sent"):
        authorized(app).post(URL, json=payload(status))
    found = [r for r in caplog.records if r.name == "flask_fd_whatsapp.registration"]
    assert {r.levelno for r in found} <= {logging.WARNING}
    assert ["FD_WHATSAPP_LEDGER_URL" in record.message for record in found] == [True] * warnings
