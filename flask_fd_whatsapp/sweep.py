"""The sweep: goes on with events that are recorded and due, after a failure, a crash or in
deferred dispatch.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from .exceptions import LedgerUnavailable
from .ledger import State
from .log_fields import log_fields
from .outcomes import Result
from .receiver import Receiver

logger = logging.getLogger(__name__)

BATCH: Final = 100

_SETTLED: Final = (Result.ACCEPTED, Result.DUPLICATE, Result.DEAD)
"""What is not due any more; all else may be, even at once."""


class Swept(NamedTuple):
    """An event that was tried, and what became of it."""

    event_id: Any
    result: Result


ShouldStop = Callable[[], bool]


def _never() -> bool:
    return False


def sweep(receiver: Receiver, *, should_stop: ShouldStop = _never) -> Iterator[Swept]:
    """Handle what is due now, one event at a time and each at most once.

    Any number of sweeps may run at once: each event is handled by the one that claims it.

    :param should_stop: asked between events.
    :raises LedgerUnavailable: if the ledger cannot be used.
    """
    left: set[Any] = set()
    while True:
        batch = receiver.ledger.due(receiver=receiver.name, limit=BATCH + len(left))
        fresh = [event_id for event_id in batch if event_id not in left]
        if not fresh:
            return
        for event_id in fresh:
            if should_stop():
                return
            swept = try_one(receiver, event_id)
            if swept.result not in _SETTLED:
                left.add(event_id)
            yield swept


def sweep_dead(receiver: Receiver, *, should_stop: ShouldStop = _never) -> Iterator[Swept]:
    """Revive what is dead and try it, oldest first; one that dies again is left.

    :param should_stop: asked between events.
    :raises LedgerUnavailable: if the ledger cannot be used.
    """
    last: Any = 0
    while batch := receiver.ledger.events(
        state=State.DEAD, receiver=receiver.name, after=last, limit=BATCH
    ):
        for event in batch:
            if should_stop():
                return
            last = event.id
            if receiver.ledger.revive(event.id):
                yield try_one(receiver, event.id)


def try_one(receiver: Receiver, event_id: Any) -> Swept:
    """Go on with one event, due or not; whatever it breaks, the next one can be tried.

    :raises LedgerUnavailable: if the ledger cannot be used.
    """
    try:
        outcome = receiver.resume(event_id)
    except LedgerUnavailable:
        raise
    except Exception:
        logger.exception(
            "Event %s could not be tried.",
            event_id,
            extra=log_fields(receiver=receiver.name, event_id=event_id),
        )
        return Swept(event_id, Result.UNFINISHED)
    return Swept(event_id, outcome.result if outcome else Result.DUPLICATE)
