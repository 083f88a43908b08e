"""What happens to connections when a process forks, as WSGI servers do for their workers.

gunicorn forks with ``os.fork``, which calls Python's hooks: idle connections are closed before.
uWSGI forks in C and calls none, so the process id is checked before a connection is used.
"""

from __future__ import annotations

import os
import weakref
from threading import Lock
from typing import Protocol

from ...per_process import PerProcess


class HasConnections(Protocol):
    """An object that keeps connections open."""

    def before_fork(self) -> None:
        """Close idle connections."""
        ...

    def after_fork(self) -> None:
        """In the parent process: resume."""
        ...

    def leave_to_parent(self) -> None:
        """In the forked process: open its own connections, and leave its parent's alone."""
        ...


class Owner:
    """The process that owns a database object's connections, for the object's lifetime.

    :param pid: the process that may have opened the existing connections.
    :ivar pid: the process that uses them now; any other has to :meth:`change` it first.
    """

    def __init__(self, database: HasConnections, pid: int) -> None:
        self.pid = pid
        self._database = weakref.ref(database)
        self._locks = PerProcess(Lock)
        self._add_hooks()

    def change(self) -> None:
        """Leave the connections to the process that opened them, once per process."""
        pid = os.getpid()
        with self._locks.get():
            if self.pid != pid and (database := self._database()) is not None:
                database.leave_to_parent()
                self.pid = pid

    def _add_hooks(self) -> None:
        reference = self._database

        def before() -> None:
            # A child with an inherited SQLite connection believes it has locks that it has not:
            # the file gets corrupted.
            if (database := reference()) is not None:
                database.before_fork()

        def after_in_parent() -> None:
            if (database := reference()) is not None:
                database.after_fork()

        owner = weakref.ref(self)

        def after_in_child() -> None:
            if (found := owner()) is not None:
                found.change()

        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=before, after_in_parent=after_in_parent, after_in_child=after_in_child
            )
