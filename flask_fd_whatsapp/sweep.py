"""The sweep: goes on with events that are recorded and due, after a failure, a crash or in
deferred dispatch.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from .outcomes import Result
from .receiver import Receiver

logger = logging.getLogger(__name__)

BATCH = 100


def sweep(receiver: Receiver, *, should_stop: Callable[[], bool] = lambda: False) -> Counter[str]:
    """Handle what is due now, one event at a time.

    Any number of sweeps may run at once: each event is handled by the one that claims it.

    :param should_stop: asked between events.
    :return: how many events had which result.
    :raises LedgerUnavailable: if the ledger cannot be used.
    """
    results: Counter[str] = Counter()
    for event_id in _due(receiver):
        if should_stop():
            break
        outcome = receiver.resume(event_id)
        results[outcome.result.label if outcome else Result.DUPLICATE.label] += 1
    return results


def _due(receiver: Receiver) -> Iterator[Any]:
    """Ids of due events, each once: one that cannot be handled now is left for the next sweep."""
    seen: set[Any] = set()
    while True:
        batch = receiver.ledger.due(receiver=receiver.name, limit=BATCH + len(seen))
        fresh = [event_id for event_id in batch if event_id not in seen]
        if not fresh:
            return
        for event_id in fresh:
            seen.add(event_id)
            yield event_id
