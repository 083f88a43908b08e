"""The Celery tasks: one for an event, one for the sweep.

They run in the workers of the host's Celery app, in the application context that its task class
provides.
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
from ..handling.known_handlers import known_handlers_of
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
"""How long an event that the sweep has handed over may wait in the queue.

After that it is handed over again: the broker, or a worker that was killed, may have lost it.
"""

PUBLISHING_SECONDS: Final = 60.0
"""How long the sweep may take to publish a batch that it has reserved.

After that another may: the process may have been killed in between.
"""

MOST_WAITING: Final = 10_000
LEAST_WAITING: Final = 1_000
"""How many events may wait at a time: for all receivers, with a share for each."""

BATCH: Final = 100

FIRST_RETRY_SECONDS: Final = 5.0
LONGEST_RETRY_SECONDS: Final = 60.0
RETRIES: Final = 12
"""The back-off of a task whose ledger is unavailable: the first delay and the longest.

It doubles, with jitter, and lasts no longer than :data:`WAITING_SECONDS` in all.
"""

LINE_SECONDS: Final = 60.0
"""How often a worker process logs that a receiver's ledger is unavailable."""

LIMIT_AFTER_SECONDS: Final = 15.0
"""How long after a hanging handler was reported its worker is terminated."""

_OF_ALL: Final = (status_changed, status_received)

_SIGNALS_OF_A_STATUS: Final = [
    (signal, *_OF_ALL) for signal in EVENT_SIGNALS if signal not in _OF_ALL
]


@shared_task(
    name=HANDLE_EVENT,
    bind=True,
    acks_late=True,
    reject_on_worker_lost=True,
    ignore_result=True,
    max_retries=RETRIES,
)
def handle_event(task: Any, receiver_name: str, event_id: Any) -> str:
    """Resume a recorded event; requeue it while its ledger is unavailable.

    The sweep that handed it over has reserved the event, and would not find it for long.

    :return: the event's result.
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
    """Return the seconds before the next retry of a task."""
    pause = min(FIRST_RETRY_SECONDS * 2.0**retries, LONGEST_RETRY_SECONDS)
    return pause * random.uniform(0.5, 1)  # noqa: S311 - no secret


@shared_task(name=SWEEP, ignore_result=True)
def sweep_events(seconds: float = SWEEP_SECONDS) -> dict[str, int]:
    """Hand over the due events of every receiver whose ledger is shared.

    An event is not handed over again for :data:`WAITING_SECONDS`, unless it has been handled
    meanwhile, and only so many events of each receiver wait at a time. If there were more, another
    sweep follows the waiting ones.

    :param seconds: the time limit; what remains is left to the next sweep.
    :return: how many events were handed over, by receiver.
    """
    receivers = _receivers()
    room = _room(receivers)
    handed_over = dict.fromkeys(receivers, 0)
    is_full = False
    end = time.monotonic() + seconds
    with _publishing() as publish:
        while room and time.monotonic() < end:
            for name in list(room):  # in turns, so that no receiver waits for another's backlog
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
    """Return how many events of each receiver the sweep lets wait in the queue."""
    return max(LEAST_WAITING, MOST_WAITING // len(receivers))


def _room(receivers: Mapping[str, Receiver]) -> dict[str, int]:
    """Return how many events of each receiver may be handed over now."""
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
    """Publish due events; release those that the broker does not accept."""
    try:
        reservations = receiver.ledger.reservations
        event_ids = reservations.reserve(
            receiver=receiver.name, limit=limit, seconds=PUBLISHING_SECONDS
        )
    except LedgerUnavailable as error:
        _report(receiver, error)
        return 0
    published = 0
    try:
        for event_id in event_ids:
            publish(receiver.name, event_id)
            published += 1
    finally:
        with suppress(LedgerUnavailable):  # else another sweep soon hands them over as well
            reservations.unreserve(event_ids[published:])
            reservations.extend(event_ids[:published], seconds=WAITING_SECONDS)
    return published


@contextmanager
def _publishing() -> Generator[Callable[[str, Any], None]]:
    """Context manager that publishes event tasks over one connection that fails fast."""
    app = _app()
    producer = connection_to(celery_of(app)).Producer()
    try:
        yield lambda name, event_id: publish_event(app, producer, name, event_id)
    finally:
        producer.connection.collect()


def publish_event(app: Flask, producer: Any, receiver_name: str, event_id: Any) -> None:
    """Publish the task of a receiver's event; raise the broker's error."""
    arguments = receiver_name, event_id
    celery_of(app).tasks[HANDLE_EVENT].apply_async(
        arguments,
        producer=producer,
        retry=False,
        time_limit=time_limit(app, receiver_name),
        # As Celery would show them, which costs it a seventh of the time to publish.
        argsrepr=repr(arguments),
        kwargsrepr="{}",
    )


def time_limit(app: Flask, receiver_name: str) -> float | None:
    """Return after how many seconds the prefork pool kills a worker that hangs in an event.

    Celery's limit applies to the task, so it allows for each handler of an event.
    """
    seconds = app.extensions[EXTENSION][receiver_name].settings.handler_seconds
    if seconds is None:
        return None
    most = max(len(known_handlers_of(signals, app)) for signals in _SIGNALS_OF_A_STATUS)
    limit: float = max(most, 1) * seconds + LIMIT_AFTER_SECONDS
    return limit


def _app() -> Flask:
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    return app


def _receivers() -> dict[str, Receiver]:
    if not has_app_context():
        raise ConfigurationError(
            "The task runs outside the application context: use a task class in the Celery app "
            "that provides it, as Flask's documentation does (Background Tasks with Celery)."
        )
    receivers: dict[str, Receiver] = current_app.extensions.get(EXTENSION, {})
    return receivers


_lines: Final = Throttle(LINE_SECONDS)


def _report(receiver: Receiver, error: LedgerUnavailable) -> None:
    held = _lines.admit(ref(receiver))
    if held is None:
        return
    logger.critical(
        "The ledger of %s cannot be used: its events are retried later. %s `flask fd-whatsapp "
        "check` says more.%s",
        receiver.name,
        error,
        f" This happened {held} times since the last such line." if held else "",
        extra=log_fields(receiver=receiver.name),
    )
