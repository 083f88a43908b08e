from __future__ import annotations

import traceback
from typing import Any

import pytest
from flask import Flask, current_app, g
from flask.testing import FlaskClient

from flask_fd_whatsapp import (
    StatusEvent,
    message_queued,
    status_changed,
    status_received,
)

from ..conftest import TOKEN, URL, Payload
from ..scripted import Scripted, authorized


def test_each_handler_has_an_application_context_of_its_own(
    app: Flask, client: FlaskClient, payload: Payload
) -> None:
    """Each handler, and the request, has an application context and ``g`` of its own."""
    contexts: list[Any] = []

    @app.before_request
    def look() -> None:
        contexts.append(g._get_current_object())
        g.half_done = "request"

    def handler(app: Flask, event: StatusEvent) -> None:
        assert "half_done" not in g
        g.half_done = "handler"
        assert current_app._get_current_object() is app  # type: ignore[attr-defined]
        contexts.append(g._get_current_object())

    for signal in (message_queued, status_changed, status_received):
        signal.connect(handler)
    assert client.post(URL, json=payload()).status_code == 200
    assert len({id(context) for context in contexts}) == len(contexts) == 4


def test_context_is_torn_down(app: Flask, client: FlaskClient, payload: Payload) -> None:
    """A handler's context is torn down before the next handler runs, with its exception."""
    steps: list[object] = []
    app.teardown_appcontext(lambda error: steps.append(type(error)))
    broken = Scripted("broken", ValueError())
    message_queued.connect(broken)
    status_received.connect_via(app)(lambda app, event: steps.append("next"))
    client.post(URL, json=payload())
    assert steps == [ValueError, "next", type(None), type(None)]


def test_failing_teardown(app: Flask, client: FlaskClient, payload: Payload) -> None:
    """A handler fails if its context cannot be torn down."""
    errors: list[Exception | None] = [OSError("commit failed"), None]

    @app.teardown_appcontext
    def commit(error: BaseException | None) -> None:
        if errors and (failure := errors.pop(0)):
            raise failure

    seen = Scripted("seen")
    status_received.connect(seen)
    assert client.post(URL, json=payload()).status_code == 503
    assert client.post(URL, json=payload()).status_code == 200
    assert seen.statuses == ["QUEUED"] * 2


def test_a_failing_handlers_session_is_not_committed_by_another(
    app: Flask, client: FlaskClient, payload: Payload
) -> None:
    """What a failing handler left in its Flask-SQLAlchemy session is not committed by another."""
    flask_sqlalchemy = pytest.importorskip("flask_sqlalchemy")
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
    db = flask_sqlalchemy.SQLAlchemy(app)

    class Note(db.Model):  # type: ignore[name-defined, misc]
        text = db.Column(db.String, primary_key=True)

    def add(text: str) -> None:
        db.session.add(Note(text=text))

    @status_received.connect_via(app)
    def fails(app: Flask, event: StatusEvent) -> None:
        add("half done")
        raise ValueError

    @status_received.connect_via(app)
    def commits(app: Flask, event: StatusEvent) -> None:
        add("done")
        db.session.commit()

    with app.app_context():
        db.create_all()
    client.post(URL, json=payload())
    with app.app_context():
        assert [note.text for note in Note.query] == ["done"]
        db.session.remove()
        db.engine.dispose()


@pytest.mark.parametrize(
    "error", [ValueError("no"), RecursionError(), TimeoutError(), StopIteration(), MemoryError()]
)
def test_failing_handler_keeps_none_from_running(
    client: FlaskClient, payload: Payload, error: Exception
) -> None:
    """A failing handler does not stop the others, and only it is called again."""
    before, broken, after = Scripted("before"), Scripted("broken", error), Scripted("after")
    for handler in (before, broken, after):
        status_received.connect(handler)
    answer = client.post(URL, json=payload())
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    assert client.post(URL, json=payload()).json == {"result": "accepted"}
    assert client.post(URL, json=payload()).json == {"result": "duplicate"}
    assert [len(handler.events) for handler in (before, broken, after)] == [1, 2, 1]


def test_isolation_over_signals(client: FlaskClient, payload: Payload) -> None:
    """A failure in one signal does not stop the handlers of the next."""
    broken, after = Scripted("broken", ValueError(), ValueError()), Scripted("after")
    message_queued.connect(broken)
    status_changed.connect(after)
    status_received.connect(after)
    for _ in range(3):
        client.post(URL, json=payload())
    assert (len(broken.events), len(after.events)) == (3, 2)


def test_endless_recursion_is_a_failure(app: Flask, client: FlaskClient, payload: Payload) -> None:
    """A handler with infinite recursion has failed, and the next one runs."""

    @status_received.connect_via(app)
    def recurse(app: Flask, event: StatusEvent) -> None:
        recurse(app, event)

    after = Scripted("after")
    status_received.connect(after)
    assert client.post(URL, json=payload()).status_code == 503
    assert len(after.events) == 1


def test_posting_its_own_event(app: Flask, client: FlaskClient, payload: Payload) -> None:
    """A handler that posts the event it is handling gets 503, and is not called recursively."""
    app.extensions["fd_whatsapp"]["fd_whatsapp"].wait_seconds = 0
    answers: list[int] = []

    @status_received.connect_via(app)
    def post(app: Flask, event: StatusEvent) -> None:
        answers.append(authorized(app).post(URL, json=payload()).status_code)

    assert client.post(URL, json=payload()).status_code == 200
    assert answers == [503]


def test_same_event_at_the_retry(client: FlaskClient, payload: Payload) -> None:
    """In a retry a handler gets the event in the state in which it was recorded."""
    broken = Scripted("broken", None, ValueError())
    status_changed.connect(broken)
    client.post(URL, json=payload("queued"))
    client.post(URL, json=payload("sent"))
    client.post(URL, json=payload("sent"))
    _, first, second = broken.events
    assert first == second
    assert (second.previous_status, second.is_stale) == ("QUEUED", False)


def test_log_has_handler_and_no_secret(
    client: FlaskClient, payload: Payload, caplog: pytest.LogCaptureFixture
) -> None:
    """The log has handler and traceback, but neither the actor's name nor a token."""
    body = payload(actor__name="Erika Mustermann")

    def lookup(event: StatusEvent) -> None:
        raise LookupError(f"no ticket for {event!r}")

    def find_ticket(app: Flask, event: StatusEvent) -> None:
        lookup(event)

    status_received.connect(find_ticket)
    client.post(URL, json=body)
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert record.exc_info
    assert "in lookup" in "".join(traceback.format_exception(*record.exc_info))
    assert "find_ticket" in record.getMessage()
    assert body["data"]["message_id"] in record.getMessage()
    assert "no ticket for" in caplog.text
    for secret in ("Mustermann", TOKEN, TOKEN.removeprefix("Bearer ")):
        assert secret not in caplog.text
