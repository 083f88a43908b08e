from __future__ import annotations

import json
from collections.abc import Iterator
from threading import Thread
from typing import Any

import pytest
from flask import Flask
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from prometheus_client import generate_latest

from flask_fd_whatsapp import (
    ConfigurationError,
    GiveUp,
    RetryLater,
    StatusEvent,
    handler_name,
    status_changed,
    status_received,
)
from flask_fd_whatsapp.freshdesk import reconcile
from flask_fd_whatsapp.monitoring import LedgerCollector, instrument
from flask_fd_whatsapp.receiving.sweep import sweep

from ..conftest import TOKEN, URL, MakeApp, Payload
from ..freshdesk.catching_up import ALWAYS, TWO_DAYS, system

MANY = 10_000
SECRET = "Ada Lovelace"


class Watched:
    """An instrumented application, and what was recorded."""

    def __init__(self, app: Flask, *, traces: bool = True) -> None:
        self.app = app
        self._reader = InMemoryMetricReader()
        self._spans = InMemorySpanExporter()
        tracers = TracerProvider(shutdown_on_exit=False)
        tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        instrument(
            app,
            meter_provider=MeterProvider([self._reader], shutdown_on_exit=False),
            tracer_provider=tracers if traces else None,
        )
        self.client = app.test_client()

    def post(self, body: Any, **headers: str) -> int:
        data = body if isinstance(body, bytes) else json.dumps(body)
        headers = {"Authorization": TOKEN} | headers
        return self.client.post(URL, data=data, headers=headers).status_code

    @property
    def spans(self) -> dict[str, ReadableSpan]:
        """The spans by name, or by the name of their handler."""
        found = self._spans.get_finished_spans()
        return {
            str((one.attributes or {}).get("fd_whatsapp.handler", one.name)): one for one in found
        }

    @property
    def points(self) -> dict[tuple[str, ...], Any]:
        """The data points of all metrics, by name and values of attributes."""
        data = self._reader.get_metrics_data()
        return {
            (metric.name.removeprefix("fd_whatsapp."), *map(str, point.attributes.values())): point
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            for point in metric.data.data_points
        }


@pytest.fixture
def watched(app: Flask) -> Watched:
    return Watched(app)


@handler_name("good")
def good(app: Flask, event: StatusEvent) -> None: ...


@handler_name("bad")
def bad(app: Flask, event: StatusEvent) -> None:
    raise ValueError(SECRET)


@handler_name("later")
def later(app: Flask, event: StatusEvent) -> None:
    raise RetryLater(1, SECRET)


@handler_name("never")
def never(app: Flask, event: StatusEvent) -> None:
    raise GiveUp(SECRET)


@handler_name("accepted")
def accepted(app: Flask, event: StatusEvent) -> None: ...


def test_requests_are_counted_by_outcome(watched: Watched, payload: Payload) -> None:
    """Requests are counted and timed by answer, rejected ones too."""
    for body in (payload(), payload(), b"[]"):
        watched.post(body)
    watched.post(payload(), Authorization="wrong")
    points = watched.points
    for outcome in ("accepted", "duplicate", "not_object", "unauthenticated"):
        assert points["requests", "fd_whatsapp", outcome].value == 1
        assert points["request.duration", "fd_whatsapp", outcome].count == 1


def test_handlers_are_timed_and_their_failures_counted(watched: Watched, payload: Payload) -> None:
    """Each handler is timed; failures count, postponing and giving up do not."""
    for handler in (good, bad, later, never):
        status_received.connect(handler)
    assert watched.post(payload()) == 503
    points = watched.points
    for name in ("good", "bad", "later", "never"):
        assert points["handler.duration", "fd_whatsapp", name].count == 1
    failures = {key[2] for key in points if key[0] == "handler.failures"}
    assert failures == {"bad"}


def test_handler_named_like_an_outcome_is_timed_as_a_handler(
    watched: Watched, payload: Payload
) -> None:
    """The times of a handler called ``accepted`` and of accepted requests are separate."""
    status_received.connect(accepted)
    watched.post(payload())
    watched.post(payload("sent"))
    points = watched.points
    of_handler = points["handler.duration", "fd_whatsapp", "accepted"]
    of_request = points["request.duration", "fd_whatsapp", "accepted"]
    assert dict(of_handler.attributes) == {"receiver": "fd_whatsapp", "handler": "accepted"}
    assert dict(of_request.attributes) == {"receiver": "fd_whatsapp", "outcome": "accepted"}


def test_event_has_a_span_with_one_for_each_handler(watched: Watched, payload: Payload) -> None:
    """An event's span has a child for each handler, with an exception's type but not its text."""
    for handler in (good, bad, later):
        status_received.connect(handler)
    watched.post(payload("sent"))
    spans = watched.spans
    root = spans["fd_whatsapp.handle"]
    assert root.attributes is not None
    assert root.attributes["fd_whatsapp.status"] == "SENT"
    assert root.attributes["fd_whatsapp.message_id"] == payload()["data"]["message_id"]
    for name in ("good", "bad", "later"):
        parent = spans[name].parent
        assert parent is not None
        assert parent.span_id == root.context.span_id
    assert [spans[name].status.status_code for name in ("good", "bad", "later")] == [
        StatusCode.UNSET,
        StatusCode.ERROR,
        StatusCode.UNSET,
    ]
    assert (spans["bad"].attributes or {})["error.type"] == "ValueError"
    assert SECRET not in "".join(span.to_json() for span in spans.values())


def test_spans_of_a_handler_are_children_of_its_span(watched: Watched, payload: Payload) -> None:
    """A handler's own spans are children of its span."""
    seen: list[Any] = []

    @status_changed.connect
    @handler_name("mine")
    def mine(app: Flask, event: StatusEvent) -> None:
        seen.append(trace.get_current_span().get_span_context().span_id)

    watched.post(payload())
    assert seen == [watched.spans["mine"].context.span_id]


def test_worker_has_spans_and_counts(make_app: MakeApp, payload: Payload) -> None:
    """With deferred dispatch the spans are those of the worker that handles the event."""
    watched = Watched(make_app(DISPATCH="deferred", LEDGER_URL="sqlite:///worker.db"))
    status_received.connect(good)
    watched.post(payload())
    assert watched.spans == {}
    receiver = watched.app.extensions["fd_whatsapp"]["fd_whatsapp"]
    worker = Thread(target=lambda: list(sweep(receiver)))
    worker.start()
    worker.join()
    assert set(watched.spans) == {"fd_whatsapp.handle", "good"}
    assert watched.points["sweep.events", "fd_whatsapp", "accepted"].value == 1


def test_no_spans_without_a_provider(app: Flask, payload: Payload) -> None:
    """Without a tracer provider no span is created; metrics are recorded all the same."""
    watched = Watched(app, traces=False)
    current: list[Any] = []

    @status_received.connect
    def look(app: Flask, event: StatusEvent) -> None:
        current.append(trace.get_current_span())

    watched.post(payload())
    assert current == [trace.INVALID_SPAN]
    assert watched.points["requests", "fd_whatsapp", "accepted"].value == 1


def test_histograms_can_be_left_out(app: Flask, payload: Payload) -> None:
    """Without times, everything is counted nevertheless."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    instrument(app, meter_provider=provider, times=False)
    status_received.connect(good)
    app.test_client().post(URL, json=payload(), headers={"Authorization": TOKEN})
    text = str(reader.get_metrics_data())
    assert "fd_whatsapp.requests" in text
    assert "duration" not in text


def test_so_many_times_a_second_are_recorded_at_most(
    watched: Watched, payload: Payload, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In each second the first times are recorded and the others only counted."""
    monkeypatch.setattr("flask_fd_whatsapp.monitoring.otel_observer.TIMES_A_SECOND", 1)
    now = 100.0
    monkeypatch.setattr("flask_fd_whatsapp.monitoring.instrumentation.perf_counter", lambda: now)
    for now in (100.0, 100.1, 100.2, 101.2):  # noqa: B007 - the clock reads it
        watched.post(payload())
    points = watched.points
    assert points["request.duration", "fd_whatsapp", "duplicate"].count == 2
    assert points["requests", "fd_whatsapp", "duplicate"].value == 3


def test_what_is_rare_is_timed_beside_what_is_frequent(
    watched: Watched, payload: Payload, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first times of each outcome in a second are recorded, whatever came before."""
    monkeypatch.setattr("flask_fd_whatsapp.monitoring.otel_observer.TIMES_A_SECOND", 1)
    monkeypatch.setattr("flask_fd_whatsapp.monitoring.instrumentation.perf_counter", lambda: 100.0)
    for body in (payload(), payload(), payload(), {}):
        watched.post(body)
    points = watched.points
    assert points["request.duration", "fd_whatsapp", "duplicate"].count == 1
    assert points["request.duration", "fd_whatsapp", "invalid"].count == 1


def test_calls_of_the_api_are_counted() -> None:
    """API calls are counted by method and answer, with their waits, and messages by outcome."""
    with system(trouble=[None, "error"]) as host:
        watched = Watched(host.app)
        host.send("R1")
        host.clock.skip(TWO_DAYS)
        reconcile(stuck_for=ALWAYS)
        points = watched.points
    assert points["api.calls", "fd_whatsapp", "POST", "2xx"].value == 1
    assert points["api.calls", "fd_whatsapp", "GET", "5xx"].value == 1
    assert points["api.calls", "fd_whatsapp", "GET", "2xx"].value == 1
    assert points["api.wait", "fd_whatsapp"].value >= 0
    assert points["reconcile.messages", "fd_whatsapp", "changed"].value == 1


def test_instrument_wants_a_receiver() -> None:
    """Instrumenting before a blueprint is registered is an error that says so."""
    with pytest.raises(ConfigurationError, match="register_blueprint"):
        instrument(Flask("host"))


def test_instrumenting_twice_counts_once(watched: Watched, payload: Payload) -> None:
    """A second call changes nothing."""
    instrument(watched.app)
    watched.post(payload())
    assert watched.points["requests", "fd_whatsapp", "accepted"].value == 1


def failures(payload: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Failures, each with an account, message, reference, campaign and code of its own."""
    for number in range(MANY):
        payload["account_id"] = f"A{number}"
        payload["data"] |= {
            "message_id": f"M{number}",
            "external_reference_id": f"campaign-{number}-order",
            "error": {"code": str(number), "message": f"reason {number}"},
        }
        yield payload


@pytest.mark.slow
def test_series_are_bounded(make_app: MakeApp, payload: Payload) -> None:
    """Ten thousand ids, references, campaigns and error codes create no series of their own."""
    app = make_app(CAMPAIGN=r"^campaign-(\d+)")
    watched = Watched(app, traces=False)
    collector = LedgerCollector(app)
    status_received.connect(good)

    def series() -> set[object]:
        text = generate_latest(collector.registry).decode()
        return {*watched.points, *(line.rpartition(" ")[0] for line in text.splitlines())}

    before: set[object] = set()
    for body in failures(payload("failed")):
        assert watched.post(body) == 200
        before = before or series()
    assert series() == before
    assert len(before) < 60
