"""Records the signals that were sent, in order."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from blinker import NamedSignal
from flask import Flask

from ..events import StatusEvent
from ..handling.handlers import handler_name
from ..signals import EVENT_SIGNALS, NOTICES

RECORDER: Final = "fd_whatsapp_signals"
"""The prefix of the recorder's handler names."""


class SentSignal(NamedTuple):
    """A signal that was sent.

    :param name: the signal's name, such as ``"status_changed"``.
    :param arguments: its keyword arguments, such as ``event``.
    """

    name: str
    arguments: Mapping[str, Any]

    @property
    def event(self) -> StatusEvent:
        """The event it was sent for.

        :raises LookupError: if it has none, like ``webhook_rejected``.
        """
        if "event" not in self.arguments:
            raise LookupError(f"{self.name} has no event, but {', '.join(self.arguments)}.")
        event: StatusEvent = self.arguments["event"]
        return event


@contextmanager
def recorded(app: Flask) -> Generator[list[SentSignal]]:
    """Context manager: every signal sent for *app* is added to the list."""
    seen: list[SentSignal] = []
    recorders = [(signal, _recorder(signal, seen)) for signal in (*EVENT_SIGNALS, *NOTICES)]
    for signal, recorder in recorders:
        signal.connect(recorder, sender=app, weak=False)
    try:
        yield seen
    finally:
        for signal, recorder in recorders:
            signal.disconnect(recorder)


def _recorder(signal: NamedSignal, seen: list[SentSignal]) -> Any:
    @handler_name(f"{RECORDER}:{signal.name}")
    def record(app: Flask, **arguments: Any) -> None:
        seen.append(SentSignal(signal.name, arguments))

    return record
