"""Caches the handlers of an event's signals until a handler is connected or disconnected."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple
from weakref import ref

from blinker import NamedSignal
from blinker.base import make_id  # type: ignore[attr-defined]  # how blinker keys receivers
from flask import Flask

from ..signals import EVENT_SIGNALS
from .handlers import Handler, handlers_of

_KNOWN: Final = "fd_whatsapp_known_handlers"
"""The key of the cache in ``app.extensions``, a mapping by signals."""

_last_change: object = object()


def _note(signal: NamedSignal, **_: Any) -> None:
    """Note that a handler was connected or disconnected."""
    global _last_change
    _last_change = object()


for _signal in EVENT_SIGNALS:
    _signal.receiver_connected.connect(_note)
    _signal.receiver_disconnected.connect(_note)


class _Found(NamedTuple):
    """The handlers of some signals, referenced no more strongly than by the signals themselves.

    :param after: the last change before the lookup.
    :param sizes: the signals, and how many receivers each had.
    :param held: the handlers; for one that its signal references weakly, its name, its signal,
        whether it is numbered, and the weak reference.
    """

    after: object
    sizes: list[tuple[NamedSignal, int]]
    held: list[Handler | tuple[str, NamedSignal, bool, ref[Any]]]

    def handlers(self) -> list[Handler] | None:
        """Return the handlers, ``None`` if they may have changed."""
        if self.after is not _last_change:
            return None
        for signal, size in self.sizes:
            if signal.is_muted or len(signal.receivers) != size:
                return None
        handlers = []
        for one in self.held:
            if isinstance(one, Handler):
                handlers.append(one)
                continue
            name, signal, is_numbered, reference = one
            function = reference()
            if function is None:
                return None
            handlers.append(Handler(name, signal, function, is_numbered))
        return handlers


def known_handlers_of(signals: tuple[NamedSignal, ...], app: Flask) -> list[Handler]:
    """Return what :func:`.handlers_of` returns, looked up again only after a change."""
    known: dict[tuple[NamedSignal, ...], _Found] = app.extensions.setdefault(_KNOWN, {})
    found = known.get(signals)
    handlers = None if found is None else found.handlers()
    if handlers is None:
        after, was_muted = _last_change, _is_muted(signals)
        sizes = [(signal, len(signal.receivers)) for signal in signals]
        handlers = handlers_of(signals, app)
        if not (was_muted or _is_muted(signals)):
            known[signals] = _Found(after, sizes, [_held(handler) for handler in handlers])
    return handlers


def _is_muted(signals: Iterable[NamedSignal]) -> bool:
    return any(signal.is_muted for signal in signals)


def _held(handler: Handler) -> Any:
    name, signal, function, is_numbered = handler
    one = signal.receivers.get(make_id(function))
    return (name, signal, is_numbered, one) if isinstance(one, ref) else handler
