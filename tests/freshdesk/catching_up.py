"""A host, the API's double over HTTP, and a clock of Freshdesk's that skips ahead."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from flask import Flask
from marshmallow import Schema
from sqlalchemy import update

from flask_fd_whatsapp import FreshdeskWhatsApp, StatusEvent, status_received
from flask_fd_whatsapp.freshdesk import RecordingClient, TemplateMessage, client_for
from flask_fd_whatsapp.ledger import Ledger, Message
from flask_fd_whatsapp.ledger.sql import SQLLedger
from flask_fd_whatsapp.ledger.sql.tables import message as message_table
from flask_fd_whatsapp.receiving.receiver import Receiver
from flask_fd_whatsapp.receiving.write_behind import finish_writes
from flask_fd_whatsapp.simulator import Account, Clock, Fault, FreshdeskSimulator, create_api
from flask_fd_whatsapp.simulator.call_limit import CallLimit

from ..simulator.servers import serving

KEY = "k3yk3yk3y"
TO = "+4930123456"
ACCOUNT = Account().id
TEMPLATE = TemplateMessage("order_update", "en", body=["Ada"])
ALWAYS = timedelta(0)
TWO_DAYS = timedelta(days=2)
MANY = 1_000_000
"""Calls a minute where a test is not about them."""


class SkippingClock(Clock):
    """A clock that stands still until it is moved."""

    ahead = 0

    def now(self) -> int:
        return self.begin + self.ahead

    def skip(self, length: timedelta) -> None:
        self.ahead += length // timedelta(microseconds=1) * 1000


@dataclass
class System:
    """All of it.

    :param events: what a handler was called with.
    """

    app: Flask
    api: Flask
    simulator: FreshdeskSimulator
    clock: SkippingClock
    events: list[StatusEvent]

    @property
    def limit(self) -> CallLimit:
        """The calls that were made."""
        limit: CallLimit = self.api.extensions["freshdesk_api"]
        return limit

    @property
    def receiver(self) -> Receiver:
        receiver: Receiver = self.app.extensions["fd_whatsapp"]["fd_whatsapp"]
        return receiver

    @property
    def ledger(self) -> Ledger:
        return self.receiver.ledger

    @property
    def client(self) -> RecordingClient:
        return client_for("fd_whatsapp")

    def send(self, reference: str | None = None, **options: Any) -> str:
        """Send a message; return its id."""
        sent = self.client.send(
            to=TO, template=TEMPLATE, external_reference_id=reference, **options
        )
        return sent.message_id

    def disagreeing(self) -> dict[str, tuple[str | None, str]]:
        """The messages on which ledger and Freshdesk disagree."""
        known = {message_id: one.status for message_id, one in self.known().items()}
        return {
            message.id: (known.get(message.id), message.status)
            for message in self.simulator.messages.values()
            if known.get(message.id) != message.status
        }

    def known(self) -> dict[str, Message]:
        """What the ledger knows of the simulator's messages, by their ids."""
        ids = list(self.simulator.messages)
        found: list[Message] = []
        for first in range(0, len(ids), 1000):
            found += self.ledger.messages(message_ids=ids[first : first + 1000])
        return {one.message_id: one for one in found}


def settings_of(host: System) -> dict[str, Any]:
    """The settings with which another process can set up the same host."""
    return {key: value for key, value in host.app.config.items() if key.startswith("FD_WHATSAPP_")}


def let_turns_come(host: System) -> None:
    """Make every message due again, as if its next step had come."""
    if isinstance(host.ledger, SQLLedger):
        with host.ledger.engine.begin() as connection:
            connection.execute(update(message_table).values(ask_at=None))
    else:
        for message in host.ledger.store.all_messages():  # type: ignore[attr-defined]
            message.ask_at = None


@contextmanager
def system(
    *,
    ledger_url: str = "memory://",
    calls_a_minute: int = MANY,
    trouble: Iterable[str | None] = (),
    seed: int = 1,
    faults: Iterable[str | Fault] = (),
    now: Callable[[], float] = time.monotonic,
    schema: type[Schema] | None = None,
    **settings: Any,
) -> Generator[System]:
    """A host and the API's double, in an application context of the host."""
    clock = SkippingClock()
    simulator = FreshdeskSimulator(clock=clock, seed=seed, faults=faults)
    api = create_api(
        simulator, api_key=KEY, calls_a_minute=calls_a_minute, trouble=trouble, now=now
    )
    with serving(api) as url:
        app = Flask("host")
        app.testing = True
        config = {
            "HEADERS": {"Authorization": "Bearer s3cret"},
            "DOMAIN": url,
            "API_KEY": KEY,
            "SENDER": "+14155550100",
            "ACCOUNT_IDS": [ACCOUNT],
            "CALLS_A_MINUTE": calls_a_minute,
            "LEDGER_URL": ledger_url,
            **settings,
        }
        app.config.update({f"FD_WHATSAPP_{key}": value for key, value in config.items()})
        app.register_blueprint(FreshdeskWhatsApp(schema=schema))
        events: list[StatusEvent] = []

        @status_received.connect_via(app)
        def note(app: Flask, event: StatusEvent) -> None:
            events.append(event)

        host = System(app, api, simulator, clock, events)
        try:
            with app.app_context():
                yield host
        finally:
            finish_writes(5)
            if isinstance(host.receiver.ledger, SQLLedger):
                host.receiver.ledger.engine.dispose()
