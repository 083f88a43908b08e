"""A host, the API's double over HTTP, and a clock of Freshdesk's that skips ahead."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from flask import Flask

from flask_fd_whatsapp import FreshdeskWhatsApp, StatusEvent, status_received
from flask_fd_whatsapp.freshdesk import RecordingClient, TemplateMessage, client_for
from flask_fd_whatsapp.ledger import Ledger
from flask_fd_whatsapp.simulator import Account, Clock, FreshdeskSimulator, create_api
from flask_fd_whatsapp.simulator.call_limit import CallLimit

from ..simulator.servers import serving

KEY = "k3yk3yk3y"
TO = "+4930123456"
ACCOUNT = Account().id
TEMPLATE = TemplateMessage("order_update", "en", body=["Ada"])
ALWAYS = timedelta(0)
MANY = 1_000_000
"""Calls a minute where a test is not about them."""


class SkippingClock(Clock):
    """Stands, until it is told how far to go."""

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
    simulator: FreshdeskSimulator
    clock: SkippingClock
    limit: CallLimit
    events: list[StatusEvent]

    @property
    def ledger(self) -> Ledger:
        ledger: Ledger = self.app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger
        return ledger

    @property
    def client(self) -> RecordingClient:
        return client_for("fd_whatsapp")

    def send(self, reference: str | None = None, **options: Any) -> str:
        """Send a message; gives its id."""
        sent = self.client.send(
            to=TO, template=TEMPLATE, external_reference_id=reference, **options
        )
        return sent.message_id

    def disagreeing(self) -> dict[str, tuple[str | None, str]]:
        """The messages of which ledger and Freshdesk say different statuses."""
        found = {}
        for message in self.simulator.messages.values():
            known = self.ledger.message(message.id)
            if known is None or known.status != message.status:
                found[message.id] = (known and known.status, message.status)
        return found


@contextmanager
def system(
    *,
    ledger_url: str = "memory://",
    calls_a_minute: int = MANY,
    trouble: Iterable[str | None] = (),
    seed: int = 1,
    **settings: Any,
) -> Generator[System]:
    """A host and the API's double, in an application context of the host."""
    clock = SkippingClock()
    simulator = FreshdeskSimulator(clock=clock, seed=seed)
    api = create_api(simulator, api_key=KEY, calls_a_minute=calls_a_minute, trouble=trouble)
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
        app.register_blueprint(FreshdeskWhatsApp())
        limit = api.extensions["freshdesk_api"]
        events: list[StatusEvent] = []

        @status_received.connect_via(app)
        def note(app: Flask, event: StatusEvent) -> None:
            events.append(event)

        with app.app_context():
            yield System(app, simulator, clock, limit, events)
