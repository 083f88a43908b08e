"""How a database changes tables that are in use: the parts of migrations that differ."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar

from sqlalchemy import Connection, TextClause


class TableChanges:
    """One database's way; Alembic's operations are passed in, since they are slow to import."""

    upgrade_lock: ClassVar[str | None] = None
    """The statement that tries to take the upgrade's lock, and returns whether it did.

    It never waits: a waiting statement would have a snapshot, and building an index concurrently
    waits for all of them.  Without one, :attr:`revision_lock` is enough.
    """

    keep_lock: ClassVar[str | None] = None
    """Lets that lock's connection stay idle as long as the upgrade takes."""

    revision_lock: ClassVar[str | None] = None
    """Keeps all others from writing during a revision's upgrade, one transaction."""

    builds_beside: ClassVar[bool] = False
    """Whether indexes are built and dropped outside a transaction, without blocking anybody."""

    in_the_way: ClassVar[Collection[object]] = ()
    """The error codes of locks that could not be taken: time-outs and deadlocks."""

    lists_transactions: ClassVar[str | None] = None
    """The statement or view that lists open transactions."""

    index_options: ClassVar[Mapping[str, Any]] = {}
    """Alembic's options for dropping an index."""

    def before_upgrade_lock(self, connection: Connection) -> None:
        """Prepare the connection for the upgrade's lock."""

    def create_index(
        self, op: Any, name: str, table: str, columns: Sequence[str], where: TextClause | None
    ) -> None:
        """Build an index unless it exists.

        :param where: makes it partial, where the database supports that.
        """
        raise NotImplementedError

    def limited(
        self, connection: Connection, patience: float, *, is_beside: bool
    ) -> AbstractContextManager[None]:
        """Within the block, set how long a change waits for locks.

        :param patience: for how many seconds to retry locks that others hold, in total.
        :param is_beside: it blocks nobody; else all later statements wait behind it.
        """
        return nullcontext()
