"""The sweep: resumes events that are due after a failure or a crash, or as dispatch is deferred."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import suppress
from itertools import pairwise
from typing import Any, Final, NamedTuple

from ..exceptions import LedgerUnavailable
from ..ledger import Event, EventFilter, State
from ..log_fields import get_logger, log_fields
from .receiver import Receiver
from .responses import Result
from .resuming import resume

logger = get_logger(__name__)

BATCH: Final = 400
"""The maximum number of events per batch."""

BATCH_SECONDS: Final = 0.2
"""The approximate duration of a batch, so that slow events are shared out one by one."""

RESERVED_SECONDS: Final = 10.0
"""How long a batch is reserved for its sweep; if that dies, its events are then due again."""

FIRST_BATCH: Final = 8


class Swept(NamedTuple):
    """An event that was resumed, and its result."""

    event_id: Any
    result: Result


ShouldStop = Callable[[], bool]


def _never() -> bool:
    return False


class Sweep:
    """Resumes one receiver's due events, in batches that no other sweep gets meanwhile."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._size = min(FIRST_BATCH, BATCH)

    def run(
        self, *, should_stop: ShouldStop = _never, is_over: ShouldStop = _never
    ) -> Iterator[Swept]:
        """Handle what is due now, one event at a time.

        An event that its handlers ask for again immediately is left to the next run.

        :param should_stop: checked between events.
        :param is_over: checked between batches, and between events if a batch takes long.
        :raises LedgerUnavailable: if the ledger cannot be used.
        """
        tried: set[Any] = set()
        passed_over: list[tuple[float, Any]] = []
        try:
            while not should_stop() and not is_over():
                asked = time.monotonic()
                batch = self._receiver.ledger.reservations.reserve(
                    receiver=self._receiver.name, limit=self._size, seconds=RESERVED_SECONDS
                )
                end = asked + RESERVED_SECONDS
                left = deque(event_id for event_id in batch if event_id not in tried)
                passed_over += [(end, event_id) for event_id in batch if event_id in tried]
                if not left:
                    return
                self._fit((yield from self._handle(left, end, should_stop, is_over, tried)))
        finally:  # not before, or the next batch would be full of them
            now = time.monotonic()
            if mine := [event_id for end, event_id in passed_over if now < end]:
                self._give_back(mine)

    def _handle(
        self,
        left: deque[Any],
        end: float,
        should_stop: ShouldStop,
        is_over: ShouldStop,
        tried: set[Any],
    ) -> Generator[Swept, None, list[float]]:
        """Handle a batch, and release what is left of it.

        :param end: when its reservation ends.
        :param tried: receives the ids of events that are not settled.
        :return: when it began, and when each event ended.
        """
        times = [time.monotonic()]
        try:
            while left and time.monotonic() < end and not should_stop():
                if len(times) > 1 and times[-1] - times[1] >= BATCH_SECONDS and is_over():
                    break
                swept = try_one(self._receiver, left[0])
                event_id = left.popleft()
                times.append(time.monotonic())
                if swept.result is Result.BUSY:
                    self._give_back([event_id])
                elif not swept.result.is_settled:
                    tried.add(event_id)
                yield swept
        finally:
            if time.monotonic() < end:  # later another sweep may have it
                self._give_back(left)
        return times

    def _fit(self, times: list[float]) -> None:
        """Adjust the size of the next batch to the time that events took."""
        took = [end - start for start, end in pairwise(times)]
        if len(took) > 1:
            took.remove(max(took))  # it may have waited for another process
        self._size = max(1, min(BATCH, int(len(took) * BATCH_SECONDS / max(sum(took), 1e-6))))

    def _give_back(self, event_ids: Collection[Any]) -> None:
        with suppress(LedgerUnavailable):  # what cannot be released becomes due again on its own
            self._receiver.ledger.reservations.unreserve(event_ids)


def sweep(receiver: Receiver, *, should_stop: ShouldStop = _never) -> Iterator[Swept]:
    """Run one :class:`Sweep`; any number of them may run at once.

    :param should_stop: checked between events.
    :raises LedgerUnavailable: if the ledger cannot be used.
    """
    return Sweep(receiver).run(should_stop=should_stop)


def sweep_chosen(
    receiver: Receiver,
    wanted: EventFilter,
    *,
    error: str | None = None,
    should_stop: ShouldStop = _never,
) -> Iterator[Swept]:
    """Resume pending or dead events now, due or not, oldest first, and each once.

    :param wanted: which events; its ``state`` is pending or dead. With ``unhandled_by``, those that
        this handler has left unfinished.
    :param error: only those whose last error contains this text, ignoring case.
    :param should_stop: checked between events.
    :raises LedgerUnavailable: if the ledger cannot be used.
    """
    last: Any = 0
    chosen: EventFilter = {**wanted, "receiver": receiver.name, "limit": BATCH}
    while batch := receiver.ledger.events(**{**chosen, "after": last}):
        for event in batch:
            if should_stop():
                return
            last = event.id
            if (
                has_error(event, error)
                and has_error(event, wanted.get("unhandled_by"))
                and (event.state is not State.DEAD or receiver.ledger.dead_events.revive(event.id))
            ):
                yield try_one(receiver, event.id)


def has_error(event: Event, text: str | None) -> bool:
    """Whether an event's last error, or its handler's name, contains a text; ``None`` matches
    all."""
    return text is None or text.casefold() in (event.last_error or "").casefold()


def try_one(receiver: Receiver, event_id: Any) -> Swept:
    """Resume one event, due or not; an unexpected error does not stop the next one.

    :raises LedgerUnavailable: if the ledger cannot be used.
    """
    try:
        outcome = resume(receiver, event_id)
    except LedgerUnavailable:
        raise
    except Exception:
        logger.exception(
            "Event %s could not be handled.",
            event_id,
            extra=log_fields(receiver=receiver.name, event_id=event_id),
        )
        return Swept(event_id, Result.UNFINISHED)
    result = outcome.result if outcome else Result.DUPLICATE
    if receiver.observer is not None:
        receiver.observer.swept(receiver.name, result.label)
    return Swept(event_id, result)
