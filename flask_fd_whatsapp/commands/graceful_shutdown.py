"""Stops a command between two events, never in the middle of one."""

from __future__ import annotations

import signal
from collections.abc import Generator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from threading import current_thread, main_thread
from typing import Any, Final

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class Stop:
    """Whether the command has been asked to stop."""

    def __init__(self) -> None:
        self._is_asked = False
        # Not an Event: setting one in a signal handler can wait for the very lock that the
        # interrupted code holds. A SimpleQueue's put is made for that.
        self._wake: SimpleQueue[None] = SimpleQueue()
        self._asked: SimpleQueue[None] = SimpleQueue()

    def ask(self) -> None:
        """Ask to stop."""
        self._is_asked = True
        self._wake.put(None)
        self._asked.put(None)

    def is_asked(self) -> bool:
        """Whether it has been asked to stop."""
        return self._is_asked

    def wait(self, seconds: float) -> None:
        """Wait until asked to stop, at most this long."""
        if not self._is_asked:
            with suppress(Empty):
                self._wake.get(timeout=seconds)

    def wait_until_asked(self) -> None:
        """In another thread: wait until asked to stop, or until :meth:`give_up_waiting`."""
        self._asked.get()

    def give_up_waiting(self) -> None:
        """Release the thread that waits until asked to stop."""
        self._asked.put(None)


@contextmanager
def stopping() -> Generator[Stop]:
    """Context manager: SIGTERM and SIGINT ask to stop; a second SIGINT interrupts."""
    stop = Stop()

    def on_signal(number: int, frame: Any) -> None:
        if number == signal.SIGINT and stop.is_asked():
            signal.default_int_handler(number, frame)
        stop.ask()

    is_main = current_thread() is main_thread()  # no other can set a handler
    before = {number: signal.signal(number, on_signal) for number in _SIGNALS if is_main}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
