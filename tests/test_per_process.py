from __future__ import annotations

from threading import Barrier, Thread

import pytest

from flask_fd_whatsapp import per_process
from flask_fd_whatsapp.per_process import PerProcess


def test_a_process_always_gets_the_value_it_made() -> None:
    """The value is created once, when first needed."""
    made: list[object] = []

    def make() -> object:
        made.append(object())
        return made[-1]

    own = PerProcess(make)
    assert made == []
    assert own.get() is own.get() is made[0]
    assert len(made) == 1


def test_an_empty_value_is_kept_too() -> None:
    """A falsy value, such as an empty list, is not created again."""
    own: PerProcess[list[int]] = PerProcess(list)
    own.get().append(1)
    own.get().clear()
    assert own.get() is own.get()


def test_what_was_taken_out_is_made_anew() -> None:
    """A popped value is returned once."""
    own = PerProcess(object)
    first = own.get()
    assert own.pop() is first
    assert own.pop() is None
    assert own.get() is not first


def test_threads_that_ask_at_once_get_the_same() -> None:
    """If several threads create it concurrently, one value is used."""
    start, found = Barrier(4), list[object]()
    own = PerProcess(lambda: (start.wait(5), object())[1])

    threads = [Thread(target=lambda: found.append(own.get())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert set(map(id, found)) == {id(own.get())}


def test_another_process_makes_its_own_and_keeps_its_parents(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A child process gets its own value, and does not drop its parent's, which would close it."""
    ended: list[int] = []

    class Connection:
        def __del__(self) -> None:
            ended.append(id(self))

    own = PerProcess(Connection)
    of_parent = id(own.get())
    monkeypatch.setattr(per_process, "getpid", lambda: -1)
    assert id(own.get()) != of_parent
    assert own.get() is own.get()
    own.pop()
    assert of_parent not in ended
    monkeypatch.undo()
    assert id(own.get()) == of_parent
