from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask

from flask_fd_whatsapp import (
    FreshdeskWhatsApp,
    StatusEvent,
    handler_name,
    status_changed,
    status_received,
)
from flask_fd_whatsapp.ledger import Ledger
from flask_fd_whatsapp.ledger.send_records import Expected
from flask_fd_whatsapp.receiving.receiver import Receiver

from ..conftest import TOKEN, URL, MakeApp, Payload

RunCommand = Callable[..., Result]
RunJSON = Callable[..., Any]
Post = Callable[..., str]


@pytest.fixture
def run() -> RunCommand:
    """Runs ``flask fd-whatsapp ...`` on an application."""

    def run(app: Flask, *arguments: str, **options: Any) -> Result:
        return app.test_cli_runner().invoke(args=["fd-whatsapp", *arguments], **options)

    return run


@pytest.fixture
def run_json(run: RunCommand) -> RunJSON:
    """Runs a command with ``--json``, and returns its output; checks the exit status."""

    def run_json(app: Flask, *arguments: str, status: int = 0) -> Any:
        result = run(app, *arguments, "--json")
        assert result.exit_code == status, result.output
        return json.loads(result.stdout)

    return run_json


@pytest.fixture
def sync_ticket() -> Callable[..., None]:
    """A connected handler."""

    def sync_ticket(app: Flask, event: StatusEvent) -> None: ...

    status_changed.connect(sync_ticket)
    return sync_ticket


class Tickets:
    """A handler of every event, called ``tickets``, that raises ``error`` while there is one."""

    error: BaseException | None = None

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.before: Callable[[], None] = lambda: None

    def __call__(self, app: Flask, event: StatusEvent) -> None:
        self.calls.append(event.message_id)
        self.before()
        if self.error is not None:
            raise self.error


@pytest.fixture
def tickets() -> Tickets:
    """A connected handler that can be told to fail."""
    tickets = Tickets()
    status_received.connect(handler_name("tickets")(tickets))
    return tickets


@pytest.fixture
def make_durable(make_app: MakeApp, tmp_path: Path, empty_ledger_file: Path) -> Iterator[MakeApp]:
    """Like ``make_app``, with a ledger in a SQLite file, the same for all of a test."""
    made: list[Flask] = []

    def make(blueprint: FreshdeskWhatsApp | None = None, **settings: Any) -> Flask:
        if blueprint is None and not (tmp_path / "ledger.db").exists():
            shutil.copy(empty_ledger_file, tmp_path / "ledger.db")
        made.append(make_app(blueprint, **{"LEDGER_URL": url_in(tmp_path), **settings}))
        return made[-1]

    yield make
    for app in made:
        for receiver in app.extensions["fd_whatsapp"].values():
            receiver.ledger.engine.dispose()


def url_in(folder: Path) -> str:
    return f"sqlite:///{folder / 'ledger.db'}"


@pytest.fixture
def durable(make_durable: MakeApp) -> Flask:
    """An application with a ledger in a SQLite file."""
    return make_durable()


@pytest.fixture
def deferred(make_durable: MakeApp) -> Flask:
    """An application that records events and leaves their handlers to ``retry``."""
    return make_durable(DISPATCH="deferred")


@pytest.fixture
def post(payload: Payload) -> Post:
    """Posts a sample or a body, and returns the result, else the status."""

    def post(app: Flask, sample: str | bytes = "queued", url: str = URL, **changes: Any) -> str:
        body = sample if isinstance(sample, bytes) else json.dumps(payload(sample, **changes))
        answer = app.test_client().post(url, data=body, headers={"Authorization": TOKEN})
        return str((answer.get_json() or {}).get("result", answer.status_code))

    return post


def receiver_of(app: Flask, name: str = "fd_whatsapp") -> Receiver:
    receiver: Receiver = app.extensions["fd_whatsapp"][name]
    return receiver


def ledger_of(app: Flask, name: str = "fd_whatsapp") -> Ledger:
    return receiver_of(app, name).ledger


def states(app: Flask) -> dict[str, str]:
    """State of each event by message id."""
    return {event.message_id: event.state.value for event in ledger_of(app).events(after=0)}


def expect_of(app: Flask, account_id: str) -> None:
    """Make an account known that has no event, only a send."""
    expected = Expected(account_id=account_id, message_id="expected", receiver="fd_whatsapp")
    ledger_of(app).send_record.expect(expected)


def make_due(app: Flask) -> None:
    """Make what is pending due, whatever its back-off."""
    from sqlalchemy import update

    from flask_fd_whatsapp.ledger.sql.tables import event

    with ledger_of(app).engine.begin() as connection:  # type: ignore[attr-defined]
        connection.execute(
            update(event).where(event.c.due_at.is_not(None)).values(due_at=event.c.received_at)
        )
