"""The handlers of a signal, in order, and the identity of each in the ledger."""

from __future__ import annotations

import functools
import inspect
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple, TypeVar
from weakref import ref

from blinker import NamedSignal
from blinker.base import make_id  # type: ignore[attr-defined]  # how blinker keys receivers
from flask import Flask, current_app

_ATTRIBUTE: Final = "__fd_whatsapp_handler_name__"
MAX_NAME_LENGTH: Final = 200

F = TypeVar("F", bound=Callable[..., Any])


class Handler(NamedTuple):
    """A connected function, with the identity under which its success is recorded."""

    name: str
    signal: NamedSignal
    function: Callable[..., Any]
    is_numbered: bool


def handler_name(name: str) -> Callable[[F], F]:
    """Give a handler a stable identity, so that it can be renamed, moved or wrapped.

    .. code-block:: python

        @status_changed.connect
        @handler_name("tickets")
        def sync_ticket(app, event): ...

    :param name: 1 to 200 printable characters without ``#``, which numbers duplicates.
    :raises ValueError: if *name* is anything else.
    """
    if (
        not isinstance(name, str)
        or not 1 <= len(name) <= MAX_NAME_LENGTH
        or not name.isprintable()
        or "#" in name
    ):
        raise ValueError(
            f"A handler's name is 1 to {MAX_NAME_LENGTH} printable characters other than #, "
            f"not {name!r}."
        )

    def decorate(function: F) -> F:
        setattr(function, _ATTRIBUTE, name)
        return function

    return decorate


def handlers_of(signals: Iterable[NamedSignal], app: Flask) -> list[Handler]:
    """Return the handlers of *signals* for *app*, in the order they are called.

    Handlers that share an identity are numbered, so that the success of one is never taken for
    another's.
    """
    handlers = [
        Handler(identity(signal, function), signal, function, False)
        for signal in signals
        if signal.receivers
        for function in connected(signal, app)
    ]
    if len(handlers) < 2:
        return handlers
    names = [handler.name for handler in handlers]
    return handlers if len(set(names)) == len(names) else _numbered(handlers, Counter(names))


def _numbered(handlers: Iterable[Handler], totals: Mapping[str, int]) -> list[Handler]:
    numbers: Counter[str] = Counter()
    numbered: list[Handler] = []
    for handler in handlers:
        total = totals[handler.name]
        if total > 1:
            numbers[handler.name] += 1
            # With the total: if one of them is removed, its success is not taken for another's.
            name = f"{handler.name}#{numbers[handler.name]}/{total}"
            handler = handler._replace(name=name, is_numbered=True)
        numbered.append(handler)
    return numbered


def connected(signal: NamedSignal, app: Flask) -> list[Callable[..., Any]]:
    """Return the functions connected to *signal* for *app*, in the order of connection."""
    if signal.is_muted or not signal.receivers:
        return []
    functions = list(signal.receivers_for(app))
    if len(functions) > 1:
        # receivers_for has a set's order; ``receivers`` is filled in the order of connection.
        order = {key: place for place, key in enumerate(list(signal.receivers))}
        functions.sort(key=lambda function: order.get(make_id(function), len(order)))
    return functions


def misconnected_handlers(signal: NamedSignal, app: Flask) -> dict[str, bool]:
    """Return the handlers connected for another sender, which *app*'s events do not reach.

    :return: by identity, whether the sender is the proxy ``current_app``, which never sends.
    """
    if signal.is_muted:
        return {}
    functions = [one() if isinstance(one, ref) else one for one in list(signal.receivers.values())]
    reached = connected(signal, app)
    by_proxy = list(signal.receivers_for(current_app))
    return {
        identity(signal, function): function in by_proxy
        for function in functions
        if function is not None and function not in reached
    }


def identity(signal: NamedSignal, function: Callable[..., Any]) -> str:
    """Return ``signal:module.qualified_name``, or the name set with :func:`handler_name`."""
    given = getattr(function, _ATTRIBUTE, None)
    while given is None and isinstance(function, functools.partial):
        function = function.func
        given = getattr(function, _ATTRIBUTE, None)
    if given is not None:
        return str(given)
    named = function if hasattr(function, "__qualname__") else type(function)
    path = f"{signal.name}:{named.__module__}.{named.__qualname__}"
    return path if len(path) <= MAX_NAME_LENGTH else path[-MAX_NAME_LENGTH:]


def is_coroutine_function(function: Callable[..., Any]) -> bool:
    """Whether calling *function* returns a coroutine (callable objects included)."""
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004
    )
