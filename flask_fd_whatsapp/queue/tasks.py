"""The tasks: one for an event, one for the sweep.

They run in the workers of the host's own Celery app, in the application context that its task
class provides.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from celery import shared_task
from flask import current_app, has_app_context

from ..exceptions import ConfigurationError, LedgerUnavailable, NoSuchReceiver
from ..ledger.current import EXTENSION
from ..log_fields import log_fields
from ..receiver import Receiver
from ..sweep import sweep

logger = logging.getLogger(__name__)

HANDLE_EVENT: Final = "flask_fd_whatsapp.handle_event"
SWEEP: Final = "flask_fd_whatsapp.sweep"

SWEEP_SECONDS: Final = 20.0


@shared_task(name=HANDLE_EVENT, acks_late=True, reject_on_worker_lost=True, ignore_result=True)
def handle_event(receiver_name: str, event_id: Any) -> str:
    """Go on with a recorded event.

    Whatever it is too late, too early or not the only one for, the ledger knows; what it leaves
    unfinished is due for the sweep.

    :return: what became of the event.
    :raises NoSuchReceiver: if this worker's application has no such receiver.
    """
    receivers = _receivers()
    if receiver_name not in receivers:
        raise NoSuchReceiver(
            f"This worker's application has no receiver {receiver_name!r}, only "
            f"{', '.join(receivers) or 'none'}: the event is left to the sweep. Workers have to "
            "run the application that the requests come to."
        )
    receiver = receivers[receiver_name]
    try:
        outcome = receiver.resume(event_id, wait=receiver.wait_seconds)
    except LedgerUnavailable as error:
        _report(receiver_name, error)
        return "unavailable"
    return outcome.result.label if outcome else "gone"


@shared_task(name=SWEEP, ignore_result=True)
def sweep_events(seconds: float = SWEEP_SECONDS) -> dict[str, dict[str, int]]:
    """Go on with the events that are due, of every receiver whose ledger others can read.

    :param seconds: after this it ends, between two events; what is left is the next one's.
    :return: how many events had which result, by receiver.
    """
    results: dict[str, dict[str, int]] = {}
    receivers = _receivers()
    for name, receiver in receivers.items():
        counts: Counter[str] = Counter()
        try:
            if receiver.ledger.durable:
                should_stop = _after(seconds / len(receivers))
                counts.update(s.result.label for s in sweep(receiver, should_stop=should_stop))
        except LedgerUnavailable as error:
            _report(name, error)
        results[name] = dict(counts)
    return results


def _after(seconds: float) -> Callable[[], bool]:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() >= end


def _receivers() -> dict[str, Receiver]:
    if not has_app_context():
        raise ConfigurationError(
            "The task runs outside the application context: give the Celery app a task class that "
            "provides it, as Flask's documentation does (Background Tasks with Celery)."
        )
    receivers: dict[str, Receiver] = current_app.extensions.get(EXTENSION, {})
    return receivers


def _report(receiver_name: str, error: LedgerUnavailable) -> None:
    logger.critical(
        "The ledger of %s cannot be used: its events are left to the next sweep. %s "
        "`flask fd-whatsapp check` says more.",
        receiver_name,
        error,
        extra=log_fields(receiver=receiver_name),
    )
