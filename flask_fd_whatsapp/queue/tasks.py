"""The tasks: one for an event, one for the sweep.

They run in the workers of the host's own Celery app, in the application context that its task
class provides.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final
from weakref import ref

from celery import shared_task
from flask import Flask, current_app, has_app_context

from ..exceptions import ConfigurationError, LedgerUnavailable
from ..handling.handlers import handlers_of
from ..ledger.context import EXTENSION
from ..log_fields import get_logger, log_fields
from ..receiving import worker
from ..receiving.receiver import Receiver
from ..signals import EVENT_SIGNALS, status_changed, status_received
from ..throttle import Throttle
from .broker import celery_of, connection_to

logger = get_logger(__name__)

HANDLE_EVENT: Final = "flask_fd_whatsapp.handle_event"
SWEEP: Final = "flask_fd_whatsapp.sweep"

SWEEP_SECONDS: Final = 20.0

WAITING_SECONDS: Final = 600.0
"""How long an event that the sweep has handed over may wait in the queue.  Then it is handed over
again: the broker, or a worker that was killed, may have lost it."""

MOST_WAITING: Final = 10_000
LEAST_WAITING: Final = 1_000
"""How many may wait at a time: of all receivers, but so many of each."""

BATCH: Final = 100

FIRST_RETRY_SECONDS: Final = 5.0
LONGEST_RETRY_SECONDS: Final = 60.0
RETRIES: Final = 12
"""How a task whose ledger is down tries again: from the first pause, doubling, to the longest,
with jitter, and all in all for no longer than :data:`WAITING_SECONDS`."""

LINE_SECONDS: Final = 60.0
"""How often a worker's process tells of one receiver's ledger that is down."""

LIMIT_AFTER_SECONDS: Final = 15.0
"""How long after a handler that hangs was reported its worker is ended."""


@shared_task(
    name=HANDLE_EVENT,
    bind=True,
    acks_late=True,
    reject_on_worker_lost=True,
    ignore_result=True,
    max_retries=RETRIES,
)
def handle_event(task: Any, receiver_name: str, event_id: Any) -> str:
    """Go on with a recorded event; back into the queue while its ledger is down.

    The sweep that handed it over has the event reserved, and would not find it for long.

    :return: what became of the event.
    """
    receivers = _receivers()
    try:
        return worker.handle_event(receiver_name, event_id)
    except LedgerUnavailable as error:
        _report(receivers[receiver_name], error)
        request = task.request
        if request.is_eager or request.called_directly or request.retries >= task.max_retries:
            return "unavailable"  # the sweep finds it
        raise task.retry(countdown=_countdown(request.retries), exc=error) from error


def _countdown(retries: int) -> float:
    """Seconds until a task that was retried so often tries again."""
    pause = min(FIRST_RETRY_SECONDS * 2.0**retries, LONGEST_RETRY_SECONDS)
    return pause * random.uniform(0.5, 1)  # noqa: S311 - no secret


@shared_task(name=SWEEP, ignore_result=True)
def sweep_events(seconds: float = SWEEP_SECONDS) -> dict[str, int]:
    """Hand the events that are due to the workers, of every receiver whose ledger others can read.

    What is handed over is not handed over again for :data:`WAITING_SECONDS`, unless it has been
    tried, and only so much of each receiver waits at a time.  Where there was more, another sweep
    follows what is waiting.

    :param seconds: after this it ends; what is left is the next one's.
    :return: how many events were handed over, by receiver.
    """
    receivers = _receivers()
    room = _room(receivers)
    handed_over = dict.fromkeys(receivers, 0)
    is_full = False
    end = time.monotonic() + seconds
    with _publishing() as publish:
        while room and time.monotonic() < end:
            for name in list(room):  # in turns, so that none waits for another's backlog
                limit = min(BATCH, room[name])
                count = _hand_over(receivers[name], limit, publish)
                handed_over[name] += count
                room[name] -= count
                if count < limit or not room[name]:
                    is_full = is_full or handed_over[name] > _most(receivers) / 2
                    del room[name]
    if is_full:
        celery_of(_app()).tasks[SWEEP].apply_async((seconds,))
    return handed_over


def _most(receivers: Mapping[str, Receiver]) -> int:
    """How many events of each receiver wait in the queue at a time, as far as the sweep goes."""
    return max(LEAST_WAITING, MOST_WAITING // len(receivers))


def _room(receivers: Mapping[str, Receiver]) -> dict[str, int]:
    """How many events of each receiver may be handed over now."""
    waiting: dict[int, Mapping[str, int]] = {}
    room: dict[str, int] = {}
    for name, receiver in receivers.items():
        try:
            ledger = receiver.ledger
            if not ledger.durable:
                continue
            if id(ledger) not in waiting:
                waiting[id(ledger)] = ledger.reservations.reserved()
        except LedgerUnavailable as error:
            _report(receiver, error)
        else:
            room[name] = _most(receivers) - waiting[id(ledger)].get(name, 0)
    return {name: count for name, count in room.items() if count > 0}


def _hand_over(receiver: Receiver, limit: int, publish: Callable[[str, Any], None]) -> int:
    """Put what is due into the queue; gives back what the broker does not take."""
    try:
        event_ids = receiver.ledger.reservations.reserve(
            receiver=receiver.name, limit=limit, seconds=WAITING_SECONDS
        )
    except LedgerUnavailable as error:
        _report(receiver, error)
        return 0
    for number, event_id in enumerate(event_ids):
        try:
            publish(receiver.name, event_id)
        except BaseException:
            with suppress(LedgerUnavailable):
                receiver.ledger.reservations.unreserve(event_ids[number:])
            raise
    return len(event_ids)


@contextmanager
def _publishing() -> Generator[Callable[[str, Any], None]]:
    """Puts events' tasks into the queue, over one connection that gives up soon."""
    celery_app = celery_of(_app())
    task = celery_app.tasks[HANDLE_EVENT]
    producer = connection_to(celery_app).Producer()
    try:
        yield lambda name, event_id: task.apply_async(
            (name, event_id), producer=producer, retry=False, time_limit=time_limit(_app(), name)
        )
    finally:
        producer.connection.collect()


def time_limit(app: Flask, receiver_name: str) -> float | None:
    """Seconds after which the prefork pool ends a worker that hangs in an event of a receiver.

    Celery's limit is the task's: each handler that an event may have gets its time.
    """
    seconds = app.extensions[EXTENSION][receiver_name].settings.handler_seconds
    if seconds is None:
        return None
    every = (status_changed, status_received)
    of_status = [signal for signal in EVENT_SIGNALS if signal not in every]
    most = max(len(handlers_of((signal, *every), app)) for signal in of_status)
    limit: float = max(most, 1) * seconds + LIMIT_AFTER_SECONDS
    return limit


def _app() -> Flask:
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    return app


def _receivers() -> dict[str, Receiver]:
    if not has_app_context():
        raise ConfigurationError(
            "The task runs outside the application context: give the Celery app a task class that "
            "provides it, as Flask's documentation does (Background Tasks with Celery)."
        )
    receivers: dict[str, Receiver] = current_app.extensions.get(EXTENSION, {})
    return receivers


_lines: Final = Throttle(LINE_SECONDS)


def _report(receiver: Receiver, error: LedgerUnavailable) -> None:
    held = _lines.admit(ref(receiver))
    if held is None:
        return
    logger.critical(
        "The ledger of %s cannot be used: its events are tried again later. %s "
        "`flask fd-whatsapp check` says more.%s",
        receiver.name,
        error,
        f" It was found so {held} times since the last such line." if held else "",
        extra=log_fields(receiver=receiver.name),
    )
