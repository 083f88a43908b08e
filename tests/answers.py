"""The expected answers, with inputs and ledgers that lead to each."""

from __future__ import annotations

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from flask_fd_whatsapp.ledger import MemoryLedger

from .conftest import TOKEN
from .ledger.entries import make_due as make_due_in

UNUSABLE = {
    "not_json": (b'{"cut": ', 400),
    "not_object": (b"[1]", 400),
    "invalid": (b'{"event_type": "outbound_message_event"}', 422),
}
OTHER_EVENT = b'{"event_type": "conversation_created", "id": 1}'


class DurableLedger(MemoryLedger):
    """Stands in for a ledger in a database."""

    durable = True  # type: ignore[misc]


def client_of(app: Flask) -> FlaskClient:
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = TOKEN
    return client


def make_due(app: Flask) -> None:
    """Let every pending event of the application's only receiver come due."""
    (receiver,) = app.extensions["fd_whatsapp"].values()
    make_due_in(receiver.ledger)


def assert_result(answer: TestResponse, result: str) -> None:
    assert (answer.status_code, answer.get_json()) == (200, {"result": result})
    assert answer.content_type == "application/json"
    assert "Retry-After" not in answer.headers


def assert_problem(answer: TestResponse, status: int, retry_after: str | None = None) -> None:
    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"
    problem = answer.get_json()
    assert set(problem) == {"type", "title", "status", "detail"} | (
        {"errors"} if status == 422 else set()
    )
    assert (problem["type"], problem["status"]) == ("about:blank", status)
    assert answer.status == f"{status} {problem['title']}".upper()
    assert problem["detail"]
    assert answer.headers.get("Retry-After") == retry_after
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)
