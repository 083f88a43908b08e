"""State that each process keeps for itself, although a fork copies its parent's.

Threads and connections belong to the process that created them, and a lock that another thread held
at the fork would be held forever. gunicorn forks with ``os.fork``, which calls Python's hooks;
uWSGI forks in C and calls none. So such state is looked up by process id.
"""

from __future__ import annotations

from collections.abc import Callable
from os import getpid
from typing import Generic, TypeVar

T = TypeVar("T")


class PerProcess(Generic[T]):
    """A value that each process creates at first use.

    The values of parent processes are kept and not touched: closing a connection would close it for
    the parent as well.

    :param make: creates the value, without arguments. The first time, several threads may call it
        at once, but all get the same value. It never returns ``None``.
    """

    __slots__ = ("_make", "_values")

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._values: dict[int, T] = {}

    def get(self) -> T:
        """Return this process's own value."""
        pid = getpid()
        value = self._values.get(pid)
        return self._values.setdefault(pid, self._make()) if value is None else value

    def pop(self) -> T | None:
        """Remove and return this process's own value, if any; :meth:`get` creates another."""
        return self._values.pop(getpid(), None)
