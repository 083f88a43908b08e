"""A week of campaigns from the simulator, received as if the application had been running."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from flask import Flask

from flask_fd_whatsapp.simulator import Clock, FreshdeskSimulator
from flask_fd_whatsapp.simulator.transport import Answer, Outgoing
from flask_fd_whatsapp.simulator.wsgi_transport import WSGITransport

from .app import TOKEN

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

URL = "https://support.example.com/freshdesk/whatsapp"
DAYS = 7
CAMPAIGNS = (("spring-preview", 5), ("order-update", 3), ("appointment", 2), ("winback", 1))
"""Each with how many of eleven messages are its."""


class UntilNow(WSGITransport):
    """Leaves out what is still in the future."""

    def __init__(self, application: WSGIApplication, url: str, end: datetime) -> None:
        super().__init__(application, url)
        self._end = f"{end:%Y-%m-%dT%H:%M:%S}"

    def send(self, request: Outgoing) -> Answer:
        """Send a request and return its answer."""
        timestamp: str = json.loads(request.body)["data"]["timestamp"]
        return super().send(request) if timestamp < self._end else Answer(200, None, None)


def receive_a_week(
    app: Flask, folder: Path, *, messages: int = 400, now: datetime | None = None
) -> int:
    """Have the simulator send messages, and post their events until *now* to *app*.

    :return: how many events were posted.
    """
    end = now or datetime.now(UTC)
    begin = end - timedelta(days=DAYS)
    simulator = FreshdeskSimulator(
        clock=Clock(begin, speed=1e7),  # as fast as it gets
        seed="a week",
        concurrency=16,
        make_transport=lambda url: UntilNow(app.wsgi_app, url, end),
    )
    simulator.save(URL, {"Authorization": TOKEN})
    simulator.enable()
    for reference, at in _sent(messages, begin, end, Random("a week")):
        simulator.send(reference, at=int(at.timestamp() * 1e9))
    simulator.run()
    with closing(sqlite3.connect(folder / "ledger.db")) as connection, connection:
        _as_if_received_then(connection)
        count = connection.execute("SELECT count(*) FROM fd_whatsapp_event").fetchone()
    return int(count[0])


def _sent(
    messages: int, begin: datetime, end: datetime, random: Random
) -> list[tuple[str, datetime]]:
    """Yield references and when each was sent: during the day, and fewer on Sundays."""
    names = [name for name, _ in CAMPAIGNS]
    weights = [weight for _, weight in CAMPAIGNS]
    moments: list[datetime] = []
    while len(moments) < messages:
        moment = begin + (end - begin) * random.random()
        if 7 <= moment.hour < 18 and (moment.weekday() < 5 or random.random() < 0.2):
            moments.append(moment)
    moments.sort()
    return [
        (f"{random.choices(names, weights)[0]}-{number:05d}", moment)
        for number, moment in enumerate(moments, 1)
    ]


def _as_if_received_then(connection: sqlite3.Connection) -> None:
    """Date each event in the ledger to when it was due: simulating the week took only seconds."""
    connection.execute(
        "UPDATE fd_whatsapp_event SET received_at = strftime('%Y-%m-%d %H:%M:%f000', "
        "julianday(timestamp) + (400 + id % 700) / 86400000.0)"
    )
    connection.execute(
        "UPDATE fd_whatsapp_handling SET handled_at = (SELECT received_at FROM fd_whatsapp_event "
        "WHERE id = event_id)"
    )
    connection.execute(
        "UPDATE fd_whatsapp_message SET "
        "first_seen = (SELECT min(received_at) FROM fd_whatsapp_event WHERE message_key = "
        "fd_whatsapp_message.id), "
        "last_seen = (SELECT max(received_at) FROM fd_whatsapp_event WHERE message_key = "
        "fd_whatsapp_message.id)"
    )
