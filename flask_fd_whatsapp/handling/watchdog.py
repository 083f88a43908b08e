"""Watches over the handlers that are running: renews their leases, reports those that hang.

One thread a process does it, started with the process's first try and asleep most of the time, so
that handlers that are quick cost nothing.
"""

from __future__ import annotations

import gc
import os
import sys
import traceback
from collections.abc import Callable
from threading import Event, Lock, Thread, get_ident
from time import monotonic
from types import FrameType
from typing import Any, Final

from ..events import StatusEvent
from ..exceptions import ClaimLost
from ..ledger import Claim, Policy
from ..log_fields import get_logger, log_fields

logger = get_logger(__name__)

SHORTEST_PAUSE: Final = 0.01

_HANGS: Final = (
    "Handler %s has been running for %.0f seconds on %s of message %s (event %s), and may never "
    "return. Give what it waits for a time-out. It is here:"
)


class Run:
    """A try whose handlers are being called.

    :param is_replay: the event was settled before, and stays so.
    :ivar handler: the one that is running, or that was the last to.
    :ivar since: when it was called, on the monotonic clock.
    """

    __slots__ = (
        "attempt",
        "claim",
        "event",
        "event_id",
        "handler",
        "handler_seconds",
        "is_replay",
        "is_reported",
        "lease_seconds",
        "receiver",
        "renew_at",
        "since",
        "thread",
        "watched",
    )

    def __init__(
        self,
        claim: Claim,
        policy: Policy,
        *,
        receiver: str,
        event: StatusEvent,
        event_id: Any,
        attempt: int = 1,
        is_replay: bool = False,
    ) -> None:
        self.claim = claim
        self.receiver = receiver
        self.event = event
        self.event_id = event_id
        self.attempt = attempt
        self.is_replay = is_replay
        self.lease_seconds = policy.lease_seconds
        self.handler_seconds = policy.handler_seconds
        self.thread = get_ident()
        self.watched: dict[int, Run] = {}
        self.handler: str | None = None
        self.since = monotonic()
        self.renew_at = self.since + self.lease_seconds / 2
        self.is_reported = False

    def begin(self, handler: str) -> None:
        """Note that *handler* is called now."""
        self.handler, self.since, self.is_reported = handler, monotonic(), False

    @property
    def pace(self) -> float:
        """The most seconds between two looks at it."""
        return min(self.lease_seconds / 4, self.handler_seconds or self.lease_seconds)

    @property
    def next_look(self) -> float:
        """When there will be something to do for it."""
        if self.handler_seconds is None or self.is_reported:
            return self.renew_at
        return min(self.renew_at, self.since + self.handler_seconds)

    def stack(self) -> str:
        """Where its thread is."""
        frame = sys._current_frames().get(self.thread) or _frame_of_greenlet(self.thread)
        return "".join(traceback.format_stack(frame)) if frame else "  (it cannot be told)\n"


class Watchdog:
    """Watches over the runs of this process.

    :ivar on_hanging: called in the watchdog's thread with a run whose handler hangs, after it was
        reported.
    """

    def __init__(self) -> None:
        self.on_hanging: Callable[[Run], None] | None = None
        # By process: a forked one has other threads, and none of its parent's locks.
        self._watches: dict[int, _Watch] = {}

    def enter(self, run: Run) -> None:
        """Watch over *run* from now on."""
        pid = os.getpid()
        watch = self._watches.get(pid)
        if watch is None:
            watch = self._watches.setdefault(pid, _Watch(self))
        run.watched = watch.runs
        watch.runs[id(run)] = run
        if run.lease_seconds < watch.lease_seconds:
            watch.quicken(run)

    def leave(self, run: Run) -> None:
        """Watch over it no more."""
        run.watched.pop(id(run), None)

    def running(self) -> list[Run]:
        """The runs of this process."""
        watch = self._watches.get(os.getpid())
        return list(watch.runs.values()) if watch else []


class _Watch:
    """The thread of one process, and what it watches over."""

    def __init__(self, watchdog: Watchdog) -> None:
        self.runs: dict[int, Run] = {}
        self.lease_seconds = float("inf")
        self._watchdog = watchdog
        self._pace = float("inf")
        self._wake = Event()
        self._lock = Lock()
        self._thread: Thread | None = None

    def quicken(self, run: Run) -> None:
        """Look as often as *run* wants it."""
        with self._lock:
            self.lease_seconds = min(self.lease_seconds, run.lease_seconds)
            self._pace = min(self._pace, run.pace)
            if self._thread is None:
                self._thread = Thread(target=self._watch, name="fd_whatsapp_watchdog", daemon=True)
                self._thread.start()
        self._wake.set()

    def _watch(self) -> None:
        while True:
            now = monotonic()
            looks = [run.next_look - now for run in list(self.runs.values())]
            self._wake.wait(max(min([self._pace, *looks]), SHORTEST_PAUSE))
            self._wake.clear()
            for run in list(self.runs.values()):
                try:
                    self._look_at(run)
                except Exception:
                    logger.exception("Event %s cannot be watched over.", run.event_id)

    def _look_at(self, run: Run) -> None:
        now = monotonic()
        if now >= run.renew_at:
            run.renew_at = now + self._pace  # should it not succeed
            try:
                run.claim.renew()
            except ClaimLost:
                run.renew_at = float("inf")  # as the try itself will find out
            else:
                run.renew_at = now + run.lease_seconds / 2
        seconds, handler = run.handler_seconds, run.handler
        if seconds is None or handler is None or run.is_reported or now < run.since + seconds:
            return
        run.is_reported = True
        _report(run, handler, now - run.since)
        if self._watchdog.on_hanging is not None:
            self._watchdog.on_hanging(run)


def _report(run: Run, handler: str, seconds: float) -> None:
    where = run.stack().splitlines()
    # A place of its own for each line: what stands in one is logged as one line.
    text = "\n".join([_HANGS, *["%s"] * len(where)])
    logger.error(
        text,
        handler,
        seconds,
        run.event.status,
        run.event.message_id,
        run.event_id,
        *where,
        extra=log_fields(
            receiver=run.receiver,
            event=run.event,
            event_id=run.event_id,
            attempt=run.attempt,
            handler=handler,
        ),
    )


def _frame_of_greenlet(ident: int) -> FrameType | None:
    """Under gevent what looks like a thread is a greenlet, whose id is that of the object."""
    greenlet = sys.modules.get("greenlet")
    if greenlet is None:
        return None
    for found in gc.get_objects():
        if id(found) == ident and isinstance(found, greenlet.greenlet):
            frame: FrameType | None = found.gr_frame
            return frame
    return None


watchdog: Final = Watchdog()
"""The watchdog of every process: forked ones have a thread of their own."""
