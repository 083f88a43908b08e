"""What becomes of connections when a process is forked, as gunicorn's workers are."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


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


def care_for_forks(database: HasConnections) -> None:
    """See to it that a forked process has connections of its own, for as long as *database* is."""
    reference = weakref.ref(database)

    def before() -> None:
        # A SQLite connection that a child inherits makes it believe in locks that it has not
        # got: the file breaks.
        if (database := reference()) is not None:
            database.before_fork()

    def after_in_parent() -> None:
        if (database := reference()) is not None:
            database.after_fork()

    def after_in_child() -> None:
        if (database := reference()) is not None:
            database.leave_to_parent()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=before, after_in_parent=after_in_parent, after_in_child=after_in_child
        )
