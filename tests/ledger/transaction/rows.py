"""A table of the host's in the ledger's database, and handlers that write in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Engine, String, insert, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from werkzeug.test import TestResponse

from flask_fd_whatsapp import (
    RetryLater,
)

Handler = Callable[[Connection], Any]
Deliver = Callable[[], TestResponse]


class Base(DeclarativeBase):
    pass


class Row(Base):
    """A row of the host's, in the ledger's database."""

    __tablename__ = "host_row"

    id: Mapped[int] = mapped_column(primary_key=True)
    note: Mapped[str] = mapped_column(String(50))


def note(connection: Connection, note: str = "note") -> None:
    connection.execute(insert(Row).values(note=note))


def fail(connection: Connection) -> None:
    note(connection, "of the failing one")
    raise ValueError("no")


def later(connection: Connection) -> None:
    note(connection, "of the one that waits")
    raise RetryLater(1)


def successes(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        statement = "SELECT handler FROM fd_whatsapp_handling ORDER BY handler"
        return list(connection.scalars(text(statement)))
