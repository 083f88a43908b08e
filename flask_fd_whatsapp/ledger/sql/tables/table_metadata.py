"""The ``MetaData`` of the ledger's tables, which is not the host's."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Index, MetaData, Table

from ..column_types import text

PREFIX: Final = "fd_whatsapp_"
"""The prefix of all tables' names, Alembic's own included."""


def include_object(
    object: Any,  # noqa: A002 - Alembic's name
    name: str | None,
    type_: str,
    reflected: bool,
    compare_to: Any,
) -> bool:
    """For the host's own Alembic or Flask-Migrate: leave the ledger's tables alone.

    They are not among the host's models, so that ``flask db migrate`` would drop them.  Pass it as
    ``include_object`` to Flask-Migrate's ``Migrate``, or to ``context.configure`` in ``env.py``.
    """
    table = object if type_ == "table" else getattr(object, "table", None)
    return table is None or not table.name.startswith(PREFIX)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# One row, written by the migrations: the oldest revision whose code works with these tables.
compatibility = Table(
    "fd_whatsapp_compatibility",
    metadata,
    Column("oldest_revision", text(32), primary_key=True),
)


def partial_index(*columns: Column[Any], where: ColumnElement[bool]) -> None:
    """Add an index of the rows *where*; of all rows on MariaDB, which has no partial indexes."""
    Index(None, *columns, sqlite_where=where, postgresql_where=where)
