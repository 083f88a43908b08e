"""How a database changes tables that are in use: what migrations leave to each database."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar

from sqlalchemy import Connection, TextClause


class TableChanges:
    """One database's way; Alembic's operations are given to it, since they take long to import."""

    upgrade_lock: ClassVar[str | None] = None
    """The statement that asks for the lock of who upgrades, and is true if it was had.

    Never waited for in the statement: that would have a snapshot, and an index that is built
    beside the traffic waits for all of them.  Without one, :attr:`revision_lock` is enough.
    """

    keep_lock: ClassVar[str | None] = None
    """What lets that lock's connection be idle as long as the upgrade takes."""

    revision_lock: ClassVar[str | None] = None
    """What keeps all others from writing while a revision, as one transaction, is upgraded to."""

    builds_beside: ClassVar[bool] = False
    """Whether indexes are built, and dropped, in no transaction and keeping nobody waiting."""

    in_the_way: ClassVar[Collection[object]] = ()
    """The codes of errors by which a lock was not to be had: in time, or without a deadlock."""

    lists_transactions: ClassVar[str | None] = None
    """What shows the transactions that are open."""

    index_options: ClassVar[Mapping[str, Any]] = {}
    """Alembic's for dropping an index."""

    def before_upgrade_lock(self, connection: Connection) -> None:
        """Make the connection ready that the upgrade's lock is asked for on."""

    def create_index(
        self, op: Any, name: str, table: str, columns: Sequence[str], where: TextClause | None
    ) -> None:
        """Build an index unless it is there.

        :param where: makes it partial, where the database has such.
        """
        raise NotImplementedError

    def limited(
        self, connection: Connection, patience: float, *, is_beside: bool
    ) -> AbstractContextManager[None]:
        """While this lasts, let a change wait for locks as long as is right for it, and no less.

        :param patience: for how many seconds locks that others hold are tried for altogether.
        :param is_beside: it keeps nobody waiting; else all wait that come after it.
        """
        return nullcontext()
