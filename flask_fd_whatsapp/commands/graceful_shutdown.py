"""Ends a command between two events, and never in the middle of one."""

from __future__ import annotations

import signal
from collections.abc import Generator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from threading import current_thread, main_thread
from typing import Any, Final

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class Stop:
    """Whether the command has been asked to end."""

    def __init__(self) -> None:
        self._is_asked = False
        # Not an Event: setting one in a signal handler can wait for the very lock that the
        # interrupted code holds. A SimpleQueue's put is made for that.
        self._wake: SimpleQueue[None] = SimpleQueue()
        self._asked: SimpleQueue[None] = SimpleQueue()

    def ask(self) -> None:
        """Ask for the end."""
        self._is_asked = True
        self._wake.put(None)
        self._asked.put(None)

    def is_asked(self) -> bool:
        """Whether the end has been asked for."""
        return self._is_asked

    def wait(self, seconds: float) -> None:
        """Wait, at most until the end is asked for."""
        if not self._is_asked:
            with suppress(Empty):
                self._wake.get(timeout=seconds)

    def wait_until_asked(self) -> None:
        """For another thread: wait until the end is asked for, or there is nothing to wait for."""
        self._asked.get()

    def give_up_waiting(self) -> None:
        """Let go the thread that waits until it is asked for."""
        self._asked.put(None)


@contextmanager
def stopping() -> Generator[Stop]:
    """While this lasts SIGTERM and SIGINT ask for the end; a second SIGINT interrupts."""
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
