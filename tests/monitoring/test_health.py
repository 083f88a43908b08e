"""The health endpoints."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from flask import Flask, redirect
from flask.testing import FlaskClient
from sqlalchemy import text
from werkzeug.exceptions import Forbidden

from flask_fd_whatsapp import FreshdeskWhatsApp
from flask_fd_whatsapp.exceptions import LedgerUnavailable
from flask_fd_whatsapp.ledger import MemoryLedger
from flask_fd_whatsapp.ledger.sql import SQLLedger
from flask_fd_whatsapp.monitoring import health_blueprint
from flask_fd_whatsapp.monitoring.single_flight import NO_ANSWER, SingleFlight

from ..concurrency.threads import TIMEOUT
from ..conftest import TOKEN, URL, MakeApp
from ..ledger.databases import fresh_database

LIVE = f"{URL}/health/live"
READY = f"{URL}/health/ready"


class Checked(MemoryLedger):
    """Stands in for a ledger in a database, whose check can fail or hang."""

    def __init__(self) -> None:
        super().__init__()
        self.checks = 0
        self.error: Exception | None = None
        self.goes_on = Event()
        self.goes_on.set()

    def check(self) -> list[str]:
        self.checks += 1
        assert self.goes_on.wait(TIMEOUT)
        if self.error is not None:
            raise self.error
        return []


def lets_in() -> bool:
    return True


@pytest.fixture
def ledger() -> Iterator[Checked]:
    ledger = Checked()
    yield ledger
    ledger.goes_on.set()


@pytest.fixture
def client(
    make_app: MakeApp, ledger: Checked, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FlaskClient]:
    """A client of an application that checks its readiness each time, with a short time-out."""
    monkeypatch.setattr(SingleFlight, "interval", 0)
    monkeypatch.setattr(SingleFlight, "timeout", 0.2)
    app = make_app(FreshdeskWhatsApp(ledger=ledger))
    app.register_blueprint(health_blueprint(guard=lets_in))
    return app.test_client()


def ready(client: FlaskClient) -> tuple[int, Any]:
    answer = client.get(READY)
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.status_code, answer.get_json()


def test_a_receiver_in_order_is_ready(client: FlaskClient) -> None:
    """A process that answers is live, and ready if its ledger accepts events."""
    answer = client.get(LIVE)
    assert (answer.status_code, answer.get_json()) == (200, {"status": "live"})
    parts = {"fd_whatsapp": {"ledger": "ok"}}
    assert ready(client) == (200, {"status": "ready", "receivers": parts, "broker": None})


@pytest.mark.parametrize(
    ("error", "reason"),
    [(LedgerUnavailable("disk full"), "disk full"), (OSError("s3cret"), "OSError.")],
)
def test_not_ready(
    client: FlaskClient,
    ledger: Checked,
    error: Exception,
    reason: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An unwritable ledger is a 503 until it recovers, and each change is logged once."""
    ledger.error = error
    for _ in range(3):
        status, shown = ready(client)
        assert (status, shown["status"]) == (503, "not ready")
        assert shown["receivers"] == {"fd_whatsapp": {"ledger": reason}}
    assert client.get(LIVE).status_code == 200
    ledger.error = None
    assert [ready(client)[0] for _ in range(3)] == [200] * 3
    assert [(one.levelno, one.getMessage()) for one in caplog.records] == [
        (logging.ERROR, f"Not ready: fd_whatsapp: {reason}"),
        (logging.WARNING, "Ready again."),
    ]


def test_no_receiver() -> None:
    """An application without a receiver is not ready for events."""
    app = Flask("host")
    app.register_blueprint(health_blueprint())
    assert ready(app.test_client()) == (503, {"status": "not ready"})


def test_at_most_one_look_in_five_seconds(make_app: MakeApp, ledger: Checked) -> None:
    """The ledger is checked at bounded intervals, however often ``ready`` is requested."""
    app = make_app(FreshdeskWhatsApp(ledger=ledger))
    app.register_blueprint(health_blueprint())
    for _ in range(20):
        assert ready(app.test_client()) == (200, {"status": "ready"})
    assert ledger.checks == 1


def test_one_look_at_a_ledger_that_is_shared(make_app: MakeApp, ledger: Checked) -> None:
    """Receivers that share a ledger share its check, too."""
    app = make_app(FreshdeskWhatsApp(ledger=ledger))
    app.config["B_HEADERS"] = {"Authorization": TOKEN}
    app.register_blueprint(
        FreshdeskWhatsApp("b", config_prefix="B", url_prefix="/b", ledger=ledger)
    )
    app.register_blueprint(health_blueprint(guard=lets_in))
    assert ready(app.test_client())[1]["receivers"] == {
        "fd_whatsapp": {"ledger": "ok"},
        "b": {"ledger": "ok"},
    }
    assert ledger.checks == 1


def test_a_ledger_that_hangs(client: FlaskClient, ledger: Checked) -> None:
    """A ledger that does not answer is a 503 in time, and occupies one thread for all requests."""
    ledger.goes_on.clear()
    before = set(threading.enumerate())
    for _ in range(10):
        status, shown = ready(client)
        assert (status, shown["receivers"]) == (503, {"fd_whatsapp": {"ledger": NO_ANSWER}})
    (hanging,) = set(threading.enumerate()) - before
    assert ledger.checks == 1
    ledger.goes_on.set()
    hanging.join(TIMEOUT)
    assert ready(client)[0] == 200


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_locked_database(
    make_app: MakeApp, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A locked table makes it not ready in time, and ready again afterwards."""
    monkeypatch.setattr(SingleFlight, "interval", 0)
    lock = "LOCK TABLE fd_whatsapp_quarantine IN EXCLUSIVE MODE"
    if kind == "mariadb":
        lock = "LOCK TABLES fd_whatsapp_quarantine READ"
    with fresh_database(kind, tmp_path) as url:
        app = make_app(LEDGER_URL=url)
        app.register_blueprint(health_blueprint())
        ledger: SQLLedger = app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger
        ledger.upgrade()
        client = app.test_client()
        assert ready(client)[0] == 200
        before = set(threading.enumerate())
        monkeypatch.setattr(SingleFlight, "timeout", 0.5)
        with ledger.engine.connect() as connection:
            connection.execute(text(lock))
            assert ready(client)[0] == 503
            hanging = set(threading.enumerate()) - before
            connection.rollback()
            if kind == "mariadb":
                connection.execute(text("UNLOCK TABLES"))
        for thread in hanging:
            thread.join(TIMEOUT)
        monkeypatch.setattr(SingleFlight, "timeout", TIMEOUT)
        assert ready(client)[0] == 200
        ledger.engine.dispose()


def test_without_the_tables(make_app: MakeApp, tmp_path: Path) -> None:
    """A database that is not upgraded yet is not ready, and the reason names the command."""
    with fresh_database("postgresql", tmp_path) as url:
        app = make_app(LEDGER_URL=url)
        app.register_blueprint(health_blueprint(guard=lets_in))
        status, shown = ready(app.test_client())
        assert status == 503
        assert "flask fd-whatsapp upgrade" in shown["receivers"]["fd_whatsapp"]["ledger"]
        app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger.engine.dispose()


def raises() -> bool:
    raise ValueError("no session")


def forbids() -> bool:
    raise Forbidden


async def is_not_awaited() -> bool:
    return True


@pytest.mark.parametrize(
    ("guard", "is_logged"),
    [
        (lambda: False, False),
        (lambda: redirect("/login"), False),
        (forbids, False),
        (lambda: None, True),
        (lambda: 1, True),
        (lambda: "yes", True),
        (lambda: lets_in, True),
        (is_not_awaited, True),
        (raises, True),
    ],
)
def test_whom_a_guard_lets_in(
    make_app: MakeApp,
    ledger: Checked,
    guard: Callable[[], Any],
    is_logged: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Only ``True`` itself shows parts and reasons; a probe gets its answer in any case."""
    ledger.error = LedgerUnavailable("disk full")
    app = make_app(FreshdeskWhatsApp(ledger=ledger))
    app.register_blueprint(health_blueprint(guard=guard))
    for _ in range(3):
        assert ready(app.test_client()) == (503, {"status": "not ready"})
    told = [one for one in caplog.records if "lets nobody in" in one.getMessage()]
    assert len(told) == is_logged


def test_on_several_applications(make_app: MakeApp) -> None:
    """One blueprint can be registered on several applications, each with its own health."""
    blueprint = health_blueprint(url_prefix="/health")
    broken = Checked()
    broken.error = LedgerUnavailable("down")
    statuses = []
    for ledger in (Checked(), broken):
        app = make_app(FreshdeskWhatsApp(ledger=ledger))
        app.register_blueprint(blueprint)
        statuses.append(app.test_client().get("/health/ready").status_code)
    assert statuses == [200, 503]
