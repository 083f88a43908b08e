"""The course of a soak: posting while processes are killed, draining the queue, and shutting
down.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from random import Random
from time import monotonic

from celery import Celery
from sqlalchemy import text

from flask_fd_whatsapp.ledger.sql import SQLLedger
from flask_fd_whatsapp.simulator import FreshdeskSimulator

from .command import say
from .services import CeleryConfig
from .soak_checks import Check, check_processes
from .soak_system import CONNECTIONS, System
from .soak_watch import Watch

AHEAD = 1000
"""Events that are on their way at once: posted, in the queue or being handled."""

_LOOK_SECONDS = 1
_TELL_SECONDS = 10
_PATIENCE_SECONDS = 120
_TURNS = 3

_CONNECTIONS = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    " AND application_name <> current_setting('application_name')"
)


class Run:
    """One run.

    :param simulator: enabled; it has sent nothing yet.
    :param events: how many are to be made at least.
    :param ledger: the system's, through connections that have an ``application_name``.
    :param kill_every: seconds between two blows, on the average.
    """

    def __init__(
        self,
        system: System,
        simulator: FreshdeskSimulator,
        ledger: SQLLedger,
        config: CeleryConfig,
        *,
        events: int,
        chance: Random,
        kill_every: float,
    ) -> None:
        self.system = system
        self.simulator = simulator
        self.watch = Watch(system, self._connections)
        self.seconds = 0.0
        self.given_back = 0
        self._ledger = ledger
        self._config = config
        self._events = events
        self._chance = chance
        self._kill_every = kill_every
        self._left: dict[str, int] = {}

    def post(self) -> None:
        """Post all events, and have the queue drained, while processes are killed."""
        self._began = self._told = monotonic()
        self._next_blow = self._began
        with self.simulator:
            _wait_until_none(self._to_come, self._attend)
        _wait_until_none(self._waiting, self._attend)

    def finish(self) -> None:
        """Have the rest handled undisturbed, and end all processes in order."""
        say("Nobody is killed any more")
        self._next_blow = float("inf")
        _wait_until_none(self._pending, self._attend)
        self.seconds = monotonic() - self._began
        self._left["processes that ended by themselves"] = self.watch.ended_by_themselves()
        self.system.stop_beat()
        self._empty_queue()
        self.system.close()
        self._left["tasks in the queue, ready or unacknowledged"] = self._waiting()
        _wait_until_none(self._connections)
        self._left["connections to PostgreSQL when all have ended"] = self._connections()

    def checks(self) -> Iterator[Check]:
        """Whether nothing was left behind, and no process kept growing."""
        for what, found in self._left.items():
            yield Check(what, found)
        yield Check("connections to PostgreSQL", max(self.watch.connections), CONNECTIONS)
        yield from check_processes(self.watch.spared())

    def _attend(self) -> None:
        """Send messages, look at the processes, and strike and tell when it is time."""
        self._send()
        self.watch.look()
        if monotonic() >= self._next_blow:
            self.system.strike(self._chance)
            self._next_blow = monotonic() + self._kill_every * self._chance.uniform(0.5, 1.5)
        if monotonic() - self._told > _TELL_SECONDS:
            self._told = monotonic()
            report = self.simulator.report
            say(
                f"{self._told - self._began:.0f} seconds: {report.events:,} of {self._events:,} "
                f"events made, {report.left:,} to be posted, {self._pending():,} to be handled, "
                f"{self.system.kills.total()} kills"
            )

    def _send(self) -> None:
        """Send messages until enough events are on their way."""
        report = self.simulator.report
        room = max(0, AHEAD - report.left - self._pending())
        goal = min(self._events, report.events + room)
        while report.events < goal:
            self.simulator.send(f"soak-{report.messages:06d}")

    def _to_come(self) -> int:
        """Events that are still to be made or posted."""
        report = self.simulator.report
        return max(0, self._events - report.events) + report.left

    def _empty_queue(self) -> None:
        """Stop the workers, which give back what they have not begun, until that is nothing."""
        for _ in range(_TURNS):
            _wait_until_none(self._waiting)
            self.system.stop_workers()
            given_back = self._waiting()
            if not given_back:
                return
            self.given_back += given_back
            self.system.start_workers()

    def _pending(self) -> int:
        return self._ledger.overview.backlog().pending

    def _connections(self) -> int:
        with self._ledger.engine.connect() as connection:
            return int(connection.execute(_CONNECTIONS).scalar_one())

    def _waiting(self) -> int:
        """How many tasks are in the queue and with no worker."""
        broker = Celery(broker=self._config["broker_url"], set_as_current=False)
        with broker.connection_for_read() as connection:
            name = self._config["task_default_queue"]
            return int(connection.default_channel.queue_declare(name, passive=True).message_count)


def _wait_until_none(
    count: Callable[[], int], meanwhile: Callable[[], None] = lambda: None
) -> None:
    """Wait until *count* is 0, or has not fallen for long: the checks then say what is left."""
    fewest, since = count(), monotonic()
    while fewest and monotonic() - since < _PATIENCE_SECONDS:
        time.sleep(_LOOK_SECONDS)
        meanwhile()
        now = count()
        if now < fewest:
            fewest, since = now, monotonic()
