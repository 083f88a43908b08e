from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from flask_fd_whatsapp import (
    handler_name,
    message_sent,
    status_changed,
    status_received,
)
from flask_fd_whatsapp.handling.handlers import handlers_of

HERE = f"status_changed:{__name__}"
EVENT_SIGNALS = (message_sent, status_changed, status_received)


def function(app: Flask, event: Any) -> None: ...


async def coroutine(app: Flask, event: Any) -> None: ...


def with_more(region: str, app: Flask, event: Any) -> None: ...


@handler_name("tickets")
def named(app: Flask, event: Any) -> None: ...


class Tracker:
    """Handlers of every kind that a class can have."""

    def method(self, app: Flask, event: Any) -> None: ...

    @classmethod
    def of_class(cls, app: Flask, event: Any) -> None: ...

    @staticmethod
    def static(app: Flask, event: Any) -> None: ...

    @handler_name("own")
    def named(self, app: Flask, event: Any) -> None: ...

    def __call__(self, app: Flask, event: Any) -> None: ...


class SpecialTracker(Tracker): ...


@handler_name("every tracker")
class NamedTracker(Tracker): ...


def decorated() -> Callable[..., None]:
    @functools.wraps(function)
    def wrapper(*arguments: Any, **keywords: Any) -> None:
        function(*arguments, **keywords)

    return wrapper


def closure() -> Callable[..., None]:
    def inner(app: Flask, event: Any) -> None: ...

    return inner


def names(app: Flask, *signals: Any) -> list[str]:
    return [handler.name for handler in handlers_of(signals or EVENT_SIGNALS, app)]


@pytest.mark.parametrize(
    ("handler", "name"),
    [
        (function, f"{HERE}.function"),
        (coroutine, f"{HERE}.coroutine"),
        (decorated(), f"{HERE}.function"),
        (closure(), f"{HERE}.closure.<locals>.inner"),
        (lambda app, event: None, f"{HERE}.<lambda>"),
        (Tracker().method, f"{HERE}.Tracker.method"),
        (Tracker.of_class, f"{HERE}.Tracker.of_class"),
        (Tracker.static, f"{HERE}.Tracker.static"),
        (SpecialTracker().method, f"{HERE}.Tracker.method"),
        (Tracker(), f"{HERE}.Tracker"),
        (SpecialTracker(), f"{HERE}.SpecialTracker"),
        (functools.partial(with_more, "south"), f"{HERE}.with_more"),
        (functools.partial(Tracker().method), f"{HERE}.Tracker.method"),
        (functools.partial(Tracker()), f"{HERE}.Tracker"),
        (named, "tickets"),
        (functools.partial(named), "tickets"),
        (handler_name("mine")(functools.partial(named)), "mine"),
        (handler_name("mine")(Tracker()), "mine"),
        (Tracker().named, "own"),
        (NamedTracker(), "every tracker"),
    ],
)
def test_identity_is_signal_module_and_name(
    app: Flask, handler: Callable[..., None], name: str
) -> None:
    """A handler's identity is signal, module and qualified name, or the name it was given."""
    status_changed.connect(handler, weak=False)
    assert names(app) == [name]


def test_identity_has_the_signal(app: Flask) -> None:
    """One function on two signals is two handlers."""
    for signal in (message_sent, status_changed):
        signal.connect(function)
    assert names(app) == [f"message_sent:{__name__}.function", f"{HERE}.function"]


def test_identity_is_bounded(app: Flask) -> None:
    """A very long identity keeps its end, which is the most distinctive part, and two of them stay
    distinct.
    """
    for letter in "ab":
        handler = closure()
        handler.__qualname__ = "x" * 500 + letter
        status_changed.connect(handler, weak=False)
    first, second = names(app)
    assert len(first) <= 200 >= len(second)
    assert (first[-2:], second[-2:]) == ("xa", "xb")


@pytest.mark.parametrize("name", ["", "x" * 201, "two\nlines", "nul\0", 7, None])
def test_wrong_name(name: Any) -> None:
    """A name that is not a short printable text is an error."""
    with pytest.raises(ValueError, match="A handler's name is 1 to 200"):
        handler_name(name)


@pytest.mark.parametrize("name", ["x", "x" * 200, "Größe der Kampagne"])
def test_right_name(app: Flask, name: str) -> None:
    """A name of up to 200 printable characters is accepted, and the function itself is returned."""
    handler = closure()
    assert handler_name(name)(handler) is handler
    status_changed.connect(handler)
    assert names(app) == [name]


def test_shared_identities_are_numbered(app: Flask) -> None:
    """Handlers that share an identity are numbered in order of connection, and marked."""
    handlers = [closure() for _ in range(3)]
    for handler in handlers:
        status_changed.connect(handler)
    found = handlers_of([status_changed], app)
    assert [handler.function for handler in found] == handlers
    assert all(handler.name.startswith(f"{HERE}.closure.<locals>.inner") for handler in found)
    assert len({handler.name for handler in found}) == 3
    assert all(handler.is_numbered for handler in found[1:])
    assert names(app, status_changed) == [handler.name for handler in found], "the same each time"


def test_given_names_are_numbered_over_signals(app: Flask) -> None:
    """A given name on two signals of one event is numbered over both."""
    for signal in (status_received, status_changed):
        signal.connect(named)
    first, second = names(app)
    assert first != second
    assert all(name.startswith("tickets") for name in (first, second))


def test_numbers_never_meet_names() -> None:
    """A name that looks like a numbered one is refused."""
    with pytest.raises(ValueError, match="other than #"):
        handler_name("x#1/2")
