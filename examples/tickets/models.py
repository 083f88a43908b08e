"""The host's own tables: tickets, and a line for everything that happened to them."""

from __future__ import annotations

from datetime import datetime

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    """The base class of the models."""


db = SQLAlchemy(model_class=Base)


class Ticket(Base):
    """A ticket for which one WhatsApp message was sent.

    :param reference: the ``external_reference_id`` it was sent with.
    :param message_id: the id that Freshdesk's API returned, ``None`` until then.
    :param status: the message's furthest status, ``None`` until the first event.
    :param is_open: whether an agent has to do something.
    """

    __tablename__ = "ticket"

    id: Mapped[int] = mapped_column(primary_key=True)
    reference: Mapped[str] = mapped_column(String(255), unique=True)
    message_id: Mapped[str | None] = mapped_column(String(255), unique=True)
    status: Mapped[str | None] = mapped_column(String(255))
    status_at: Mapped[datetime | None]
    is_open: Mapped[bool] = mapped_column(default=False)
    notes: Mapped[list[Note]] = relationship(order_by="Note.id")


class Note(Base):
    """A line in a ticket's history; the table itself does not prevent duplicates."""

    __tablename__ = "note"

    id: Mapped[int] = mapped_column(primary_key=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("ticket.id"))
    text: Mapped[str] = mapped_column(String(1000))
