"""Watches running handlers: renews their leases, and reports those that hang.

Each ledger has a thread of its own, so that an unresponsive one does not keep the others' leases
from being renewed. The thread starts with an attempt, sleeps most of the time, so that quick
handlers cost nothing, and ends after no handler has been running for a while.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Lock, Thread
from time import monotonic
from typing import Final

from ..exceptions import ClaimLost, LedgerUnavailable
from ..log_fields import get_logger, log_fields
from ..per_process import PerProcess
from ..throttle import Throttle
from .attempt import Attempt
from .thread_stack import stack_of

logger = get_logger(__name__)

SHORTEST_PAUSE: Final = 0.01

THROTTLE_SECONDS: Final = 60.0
"""How often it is logged that a ledger is unavailable, or that no thread can be started."""

_HANGS: Final = (
    "Handler %s has been running for %.0f seconds on %s of message %s (event %s), and may never "
    "return. Set a time-out for what it waits for. Its stack:"
)

_NOT_RENEWED: Final = (
    "The lease of event %s cannot be renewed while its handlers run, nor can other leases: %s. "
    "After it expires, another process may call the handlers again. Logged once a minute."
)
_NO_THREAD: Final = (
    "No thread can be started to watch handlers (%s): their leases are not renewed, and hanging "
    "ones are not reported. Retried at the next event. Logged once a minute."
)


class Watchdog:
    """Watches the attempts of this process.

    :ivar on_hanging: called in the watchdog's thread with an attempt whose handler hangs, after it
        has been reported.
    """

    def __init__(self) -> None:
        self.on_hanging: Callable[[Attempt], None] | None = None
        self._watches: PerProcess[dict[int, _Watch]] = PerProcess(dict)  # by the ledger's id

    def enter(self, attempt: Attempt) -> None:
        """Watch *attempt* from now on."""
        watches, key = self._watches.get(), id(attempt.ledger)
        watch = watches.get(key)
        if watch is None:
            watch = watches.setdefault(key, _Watch(self))
        attempt.watched = watch.attempts
        watch.attempts[id(attempt)] = attempt
        if attempt.pace < watch.pace:
            watch.quicken(attempt)

    def leave(self, attempt: Attempt) -> None:
        """Stop watching it."""
        attempt.watched.pop(id(attempt), None)

    def running(self) -> list[Attempt]:
        """Return the attempts of this process."""
        watches = list(self._watches.get().values())
        return [attempt for watch in watches for attempt in list(watch.attempts.values())]


class _Watch:
    """The thread of one process for one ledger, and the attempts it watches.

    :ivar pace: the maximum number of seconds between two checks; infinite without a thread.
    """

    def __init__(self, watchdog: Watchdog) -> None:
        self.attempts: dict[int, Attempt] = {}
        self.pace = float("inf")
        self._watchdog = watchdog
        self._throttle = Throttle(THROTTLE_SECONDS)
        self._wake = Event()
        self._lock = Lock()
        self._thread: Thread | None = None

    def quicken(self, attempt: Attempt) -> None:
        """Check as often as *attempt* needs; without a thread, try to start one."""
        with self._lock:
            if self._thread is None:
                thread = Thread(target=self._watch, name="fd_whatsapp_watchdog", daemon=True)
                try:
                    thread.start()
                except RuntimeError as error:  # the system's limit, or the process is exiting
                    if self._throttle.admit("thread") is not None:
                        logger.error("%s", _NO_THREAD % error)
                    return
                self._thread = thread
            self.pace = min(self.pace, attempt.pace)
        self._wake.set()

    def _watch(self) -> None:
        is_idle = False
        while not (is_idle and self._ends()):
            now = monotonic()
            looks = [attempt.next_look - now for attempt in list(self.attempts.values())]
            is_woken = self._wake.wait(max(min([self.pace, *looks]), SHORTEST_PAUSE))
            self._wake.clear()
            for attempt in list(self.attempts.values()):
                try:
                    self._look_at(attempt)
                except LedgerUnavailable as error:
                    if self._throttle.admit("ledger") is not None:
                        logger.error(
                            _NOT_RENEWED, attempt.recorded.id, str(error).removesuffix(".")
                        )
                except Exception:
                    logger.exception("Event %s cannot be watched.", attempt.recorded.id)
            is_idle = not is_woken and not self.attempts

    def _ends(self) -> bool:
        """End the thread, unless an attempt has arrived that may rely on it."""
        with self._lock:
            self.pace = float("inf")  # first: whoever comes after this starts another thread
            paces = [attempt.pace for attempt in list(self.attempts.values())]
            if not paces:
                self._thread = None
                return True
            self.pace = min(paces)
            return False

    def _look_at(self, attempt: Attempt) -> None:
        now = monotonic()
        if now >= attempt.renew_at:
            attempt.renew_at = now + attempt.pace  # if it does not succeed
            try:
                attempt.claim.renew()
            except ClaimLost:
                attempt.renew_at = float("inf")  # as the attempt itself will find out
            else:
                attempt.renew_at = now + attempt.lease_seconds / 2
        seconds, handler = attempt.handler_seconds, attempt.handler
        if (
            seconds is None
            or handler is None
            or attempt.is_reported
            or now < attempt.since + seconds
        ):
            return
        attempt.is_reported = True
        _report(attempt, handler, now - attempt.since)
        if self._watchdog.on_hanging is not None:
            self._watchdog.on_hanging(attempt)


def _report(attempt: Attempt, handler: str, seconds: float) -> None:
    where = stack_of(attempt.thread).splitlines()
    # A separate key for each line, since a repeated key is logged once.
    text = "\n".join([_HANGS, *["%s"] * len(where)])
    logger.error(
        text,
        handler,
        seconds,
        attempt.event.status,
        attempt.event.message_id,
        attempt.recorded.id,
        *where,
        extra=log_fields(
            receiver=attempt.receiver,
            event=attempt.event,
            event_id=attempt.recorded.id,
            attempt=attempt.recorded.attempt,
            handler=handler,
        ),
    )


watchdog: Final = Watchdog()
"""The watchdog of every process; a forked process has its own thread."""
