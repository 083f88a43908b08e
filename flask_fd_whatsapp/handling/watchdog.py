"""Watches over the handlers that are running: renews their leases, reports those that hang.

One thread of each ledger's does it, so that one that is silent keeps no other from being renewed.
It is started with a try and asleep most of the time, so that handlers that are quick cost nothing,
and ends when none has been running for a while.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Lock, Thread, get_ident
from time import monotonic
from typing import Any, Final

from ..events import StatusEvent
from ..exceptions import ClaimLost, LedgerUnavailable
from ..ledger import Claim, Ledger, Policy
from ..log_fields import get_logger, log_fields
from ..per_process import PerProcess
from ..throttle import Throttle
from .thread_stack import stack_of

logger = get_logger(__name__)

SHORTEST_PAUSE: Final = 0.01

THROTTLE_SECONDS: Final = 60.0
"""So often it is told that a ledger cannot be used, or that no thread can be started."""

_HANGS: Final = (
    "Handler %s has been running for %.0f seconds on %s of message %s (event %s), and may never "
    "return. Give what it waits for a time-out. It is here:"
)

_NOT_RENEWED: Final = (
    "The lease of event %s cannot be renewed while its handlers run, nor can those of others: %s. "
    "Once it is over another process may call them again. This is said once a minute."
)
_NO_THREAD: Final = (
    "No thread can be started to watch over handlers (%s): their leases are not renewed, and those "
    "that hang are not reported. The next event tries again. This is said once a minute."
)


class Run:
    """A try whose handlers are being called.

    :param is_replay: the event was settled before, and stays so.
    :ivar handler: the one that is running, or that was the last to.
    :ivar since: when it was called, on the monotonic clock.
    :ivar pace: the most seconds between two looks at it.
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
        "ledger",
        "pace",
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
        ledger: Ledger,
        receiver: str,
        event: StatusEvent,
        event_id: Any,
        attempt: int = 1,
        is_replay: bool = False,
    ) -> None:
        self.claim = claim
        self.ledger = ledger
        self.receiver = receiver
        self.event = event
        self.event_id = event_id
        self.attempt = attempt
        self.is_replay = is_replay
        self.lease_seconds = policy.lease_seconds
        self.handler_seconds = policy.handler_seconds
        self.pace = min(self.lease_seconds / 4, self.handler_seconds or self.lease_seconds)
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
    def next_look(self) -> float:
        """When there will be something to do for it."""
        if self.handler_seconds is None or self.is_reported:
            return self.renew_at
        return min(self.renew_at, self.since + self.handler_seconds)


class Watchdog:
    """Watches over the runs of this process.

    :ivar on_hanging: called in the watchdog's thread with a run whose handler hangs, after it was
        reported.
    """

    def __init__(self) -> None:
        self.on_hanging: Callable[[Run], None] | None = None
        self._watches: PerProcess[dict[int, _Watch]] = PerProcess(dict)  # by the ledger's id

    def enter(self, run: Run) -> None:
        """Watch over *run* from now on."""
        watches, key = self._watches.get(), id(run.ledger)
        watch = watches.get(key)
        if watch is None:
            watch = watches.setdefault(key, _Watch(self))
        run.watched = watch.runs
        watch.runs[id(run)] = run
        if run.pace < watch.pace:
            watch.quicken(run)

    def leave(self, run: Run) -> None:
        """Watch over it no more."""
        run.watched.pop(id(run), None)

    def running(self) -> list[Run]:
        """The runs of this process."""
        watches = list(self._watches.get().values())
        return [run for watch in watches for run in list(watch.runs.values())]


class _Watch:
    """The thread of one process for one ledger, and what it watches over.

    :ivar pace: the most seconds between two looks; infinite if there is no thread.
    """

    def __init__(self, watchdog: Watchdog) -> None:
        self.runs: dict[int, Run] = {}
        self.pace = float("inf")
        self._watchdog = watchdog
        self._throttle = Throttle(THROTTLE_SECONDS)
        self._wake = Event()
        self._lock = Lock()
        self._thread: Thread | None = None

    def quicken(self, run: Run) -> None:
        """Look as often as *run* wants it; without a thread, the next one's start is tried."""
        with self._lock:
            if self._thread is None:
                thread = Thread(target=self._watch, name="fd_whatsapp_watchdog", daemon=True)
                try:
                    thread.start()
                except RuntimeError as error:  # the system's limit, or the process is ending
                    if self._throttle.admit("thread") is not None:
                        logger.error("%s", _NO_THREAD % error)
                    return
                self._thread = thread
            self.pace = min(self.pace, run.pace)
        self._wake.set()

    def _watch(self) -> None:
        is_idle = False
        while not (is_idle and self._ends()):
            now = monotonic()
            looks = [run.next_look - now for run in list(self.runs.values())]
            is_woken = self._wake.wait(max(min([self.pace, *looks]), SHORTEST_PAUSE))
            self._wake.clear()
            for run in list(self.runs.values()):
                try:
                    self._look_at(run)
                except LedgerUnavailable as error:
                    if self._throttle.admit("ledger") is not None:
                        logger.error(_NOT_RENEWED, run.event_id, error)
                except Exception:
                    logger.exception("Event %s cannot be watched over.", run.event_id)
            is_idle = not is_woken and not self.runs

    def _ends(self) -> bool:
        """End the thread, unless a run has come that may count on it."""
        with self._lock:
            self.pace = float("inf")  # first: whoever comes after this wants another thread
            paces = [run.pace for run in list(self.runs.values())]
            if not paces:
                self._thread = None
                return True
            self.pace = min(paces)
            return False

    def _look_at(self, run: Run) -> None:
        now = monotonic()
        if now >= run.renew_at:
            run.renew_at = now + run.pace  # should it not succeed
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
    where = stack_of(run.thread).splitlines()
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


watchdog: Final = Watchdog()
"""The watchdog of every process: forked ones have a thread of their own."""
