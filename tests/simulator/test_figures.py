"""Simulated campaigns, counted by the ledger and by the simulator itself."""

from __future__ import annotations

import os
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path

import pytest

from flask_fd_whatsapp import FreshdeskWhatsApp
from flask_fd_whatsapp.ledger import MemoryLedger
from flask_fd_whatsapp.simulator import SimulatedMessage
from flask_fd_whatsapp.simulator.clock import moment_of
from flask_fd_whatsapp.simulator.posts import Fate
from flask_fd_whatsapp.simulator.wsgi_transport import WSGITransport

from ..conftest import URL, MakeApp
from ..engagement.naive import Journey, figures_of, told
from ..ledger.databases import fresh_database
from .conftest import MakeSimulator

MESSAGES = int(os.environ.get("FD_WHATSAPP_TEST_MESSAGES") or 80)
CAMPAIGNS = ("spring", "autumn")


def journey_of(message: SimulatedMessage) -> Journey:
    """What was reported about a message, according to the simulator."""
    told_of = [
        post for post in message.posts if post.fate is Fate.ACKNOWLEDGED and not post.is_garbled
    ]
    journey = Journey(message.id, account_id=message.account_id)
    for post in told_of:
        data = post.payload["data"]
        journey.times[post.step.status] = moment_of(post.step.timestamp)
        reference = data.get("external_reference_id")
        journey.campaign = journey.campaign or (reference and str(reference).partition("-")[0])
        code = (data.get("error") or {}).get("code")
        journey.code = journey.code or (None if code is None else str(code))
    return journey


@pytest.mark.parametrize("where", ["memory", "sqlite", "postgresql", "mariadb"])
def test_campaigns_are_counted_as_they_happened(
    where: str, make_app: MakeApp, make_simulator: MakeSimulator, tmp_path: Path
) -> None:
    """With all faults, the figures of each campaign equal what the simulator did."""
    with ExitStack() as stack:
        settings = {}
        if where != "memory":
            settings["LEDGER_URL"] = stack.enter_context(fresh_database(where, tmp_path))
        # In memory with room for all: evicted messages would leave no exact times.
        memory = MemoryLedger(max_events=20 * MESSAGES) if where == "memory" else None
        app = make_app(FreshdeskWhatsApp(ledger=memory), CAMPAIGN=r"^(\w+)-", **settings)
        ledger = app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger
        if where != "memory":
            stack.callback(ledger.engine.dispose)
            ledger.upgrade()
        simulator = make_simulator(
            f"https://localhost{URL}",
            faults=["all"],
            make_transport=lambda url: WSGITransport(app.wsgi_app, url),
        )
        for number in range(MESSAGES):
            simulator.send(f"{CAMPAIGNS[number % 2]}-{number}")
        assert simulator.run().given_up == 0
        happened = defaultdict(list)
        for message in simulator.messages.values():
            journey = journey_of(message)
            happened[journey.campaign].append(journey)
        found = ledger.engagement(by="campaign")
        assert set(happened) >= set(CAMPAIGNS)
        assert {key: told(figures) for key, figures in found.groups.items()} == {
            campaign: figures_of(known, found.as_of) for campaign, known in happened.items()
        }
        everything = [journey for known in happened.values() for journey in known]
        assert told(found.total) == figures_of(everything, found.as_of)
