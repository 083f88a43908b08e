"""What becomes of connections when a process is forked, as gunicorn's workers are."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class HasConnections(Protocol):
    """What keeps connections open."""

    def close_idle(self) -> None:
        """Close the connections that are in nobody's use."""
        ...

    def leave_to_parent(self) -> None:
        """In a forked process: open connections of its own, and do not touch its parent's."""
        ...


def care_for_forks(database: HasConnections) -> None:
    """See to it that a forked process has connections of its own, for as long as *database* is."""
    reference = weakref.ref(database)

    def close() -> None:
        # A SQLite connection that a child inherits makes it believe in locks that it has not
        # got: the file breaks.
        if (database := reference()) is not None:
            database.close_idle()

    def leave() -> None:
        if (database := reference()) is not None:
            database.leave_to_parent()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=close, after_in_child=leave)
