"""State that each process has for itself, though a fork copies all that its parent had.

Threads and connections stay with the process that made them, and a lock that another thread held
at the fork would be held for ever.  gunicorn forks with ``os.fork``, which calls Python's hooks;
uWSGI forks in C and calls none.  So whoever wants such state looks at the process id.
"""

from __future__ import annotations

from collections.abc import Callable
from os import getpid
from typing import Generic, TypeVar

T = TypeVar("T")


class PerProcess(Generic[T]):
    """A value that each process makes when it first asks for it.

    What the processes before it have made is kept and not touched: to let go of a connection
    would close it for them, too.

    :param make: makes it, without arguments; of threads that ask at once for the first time each
        may call it, and all get the same value.  It never makes ``None``.
    """

    __slots__ = ("_make", "_values")

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._values: dict[int, T] = {}

    def get(self) -> T:
        """This process's own."""
        pid = getpid()
        value = self._values.get(pid)
        return self._values.setdefault(pid, self._make()) if value is None else value

    def pop(self) -> T | None:
        """Take this process's own out, if it has one; the next who asks has a new one made."""
        return self._values.pop(getpid(), None)
