from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any
from weakref import ref

import pytest
from flask import Flask

from flask_fd_whatsapp import message_sent, status_changed, status_received
from flask_fd_whatsapp.handling.handlers import handlers_of
from flask_fd_whatsapp.handling.known_handlers import known_handlers_of

SIGNALS = (message_sent, status_changed, status_received)


def first(app: Flask, event: Any) -> None: ...


def second(app: Flask, event: Any) -> None: ...


def functions(app: Flask) -> list[Callable[..., Any]]:
    """The known handlers are those that are connected."""
    known = known_handlers_of(SIGNALS, app)
    assert known == handlers_of(SIGNALS, app) == known_handlers_of(SIGNALS, app)
    return [handler.function for handler in known]


@pytest.fixture
def app() -> Flask:
    """An application with one handler in the cache."""
    app = Flask("known")
    status_changed.connect(first)
    assert functions(app) == [first]
    return app


def test_one_that_connects_later_is_known(app: Flask) -> None:
    """A change is noticed however a handler connects, and to whichever signal."""
    status_changed.connect(second)
    assert functions(app) == [first, second]
    message_sent.connect(second, weak=False)
    assert functions(app) == [second, first, second]

    @status_received.connect_via(app)
    def third(app: Flask, event: Any) -> None: ...

    assert functions(app) == [second, first, second, third]


def test_one_that_is_connected_for_a_while_is_known_for_so_long(app: Flask) -> None:
    """A handler connected by a context manager ends with it."""
    with status_changed.connected_to(second, sender=app):
        assert functions(app) == [first, second]
    assert functions(app) == [first]


def test_one_of_another_sender_is_known_once_it_is_of_this_one(app: Flask) -> None:
    """Senders are distinguished, and a function may be connected to another."""
    other = Flask("other")
    status_changed.connect(second, sender=other)
    assert functions(app) == [first]
    assert functions(other) == [first, second]
    status_changed.connect(second, sender=app)
    assert functions(app) == [first, second]


def test_one_that_is_disconnected_is_not_known(app: Flask) -> None:
    """A disconnection is noticed, from all senders or from this one only."""
    status_changed.disconnect(first)
    assert functions(app) == []
    status_changed.connect(second, sender=app)
    assert functions(app) == [second]
    status_changed.disconnect(second, sender=app)
    assert functions(app) == []


def test_one_in_place_of_another_is_known(app: Flask) -> None:
    """A change is noticed even if the number stays the same."""
    status_changed.disconnect(first)
    status_changed.connect(second)
    assert functions(app) == [second]


def test_a_function_that_is_collected_is_not_known(app: Flask) -> None:
    """A weakly connected handler is not kept alive by the cache."""

    def collected(app: Flask, event: Any) -> None: ...

    status_changed.connect(collected)
    assert functions(app) == [first, collected]
    is_alive = ref(collected)
    del collected
    gc.collect()
    assert is_alive() is None
    assert functions(app) == [first]


def test_a_method_of_an_object_that_is_collected_is_not_known(app: Flask) -> None:
    """A bound method lives as long as its object."""

    class Host:
        def handler(self, app: Flask, event: Any) -> None: ...

    host = Host()
    status_changed.connect(host.handler)
    assert functions(app) == [first, host.handler]
    del host
    gc.collect()
    assert functions(app) == [first]


def test_a_muted_signal_has_no_handlers(app: Flask) -> None:
    """A muted signal stays muted for as long as it is, whether its handlers were cached before or
    looked up meanwhile.
    """
    with status_changed.muted():
        assert functions(app) == []
        status_received.connect(second)
        assert functions(app) == [second]
    assert functions(app) == [first, second]


def test_all_that_is_cleared_without_a_word_is_not_known(app: Flask) -> None:
    """blinker's own helpers for tests notify nobody."""
    status_changed._clear_state()
    assert functions(app) == []


def test_an_application_is_not_kept_alive(app: Flask) -> None:
    """An application's cache goes with it."""
    other = Flask("other")
    assert functions(other) == [first]
    is_alive = ref(other)
    del other
    gc.collect()
    assert is_alive() is None


def test_namesakes_are_numbered_anew(app: Flask) -> None:
    """Two handlers of one name are numbered, and a single one left has its name again."""

    def made() -> Callable[..., Any]:
        def namesake(app: Flask, event: Any) -> None: ...

        return namesake

    one, other = made(), made()
    status_received.connect(one)
    (name,) = (handler.name for handler in known_handlers_of(SIGNALS, app)[1:])
    status_received.connect(other)
    names = [handler.name for handler in known_handlers_of(SIGNALS, app)[1:]]
    assert names == [f"{name}#1/2", f"{name}#2/2"]
    status_received.disconnect(one)
    assert [handler.name for handler in known_handlers_of(SIGNALS, app)[1:]] == [name]
