"""What becomes of connections when a process is forked, as the workers of WSGI servers are.

gunicorn forks with ``os.fork``, which calls Python's hooks: idle connections are closed before.
uWSGI forks in C and calls none, so whoever takes a connection looks at the process id first.
"""

from __future__ import annotations

import os
import weakref
from threading import Lock
from typing import Protocol

from ...per_process import PerProcess


class HasConnections(Protocol):
    """What keeps connections open."""

    def before_fork(self) -> None:
        """Close the connections that are in nobody's use."""
        ...

    def after_fork(self) -> None:
        """In the process that forked: go on."""
        ...

    def leave_to_parent(self) -> None:
        """In the forked process: open connections of its own, and do not touch its parent's."""
        ...


class Owner:
    """The process whose connections a database has, for as long as the database is.

    :param pid: the process that may have opened those that are open already.
    :ivar pid: the process that uses them now; another's has to :meth:`change`.
    """

    def __init__(self, database: HasConnections, pid: int) -> None:
        self.pid = pid
        self._database = weakref.ref(database)
        self._locks = PerProcess(Lock)
        self._add_hooks()

    def change(self) -> None:
        """Leave all to the process that it was opened by, once for each process."""
        pid = os.getpid()
        with self._locks.get():
            if self.pid != pid and (database := self._database()) is not None:
                database.leave_to_parent()
                self.pid = pid

    def _add_hooks(self) -> None:
        reference = self._database

        def before() -> None:
            # A SQLite connection that a child inherits makes it believe in locks that it has not
            # got: the file breaks.
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
