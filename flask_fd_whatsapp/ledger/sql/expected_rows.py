"""The row of a message that was sent, with or without events."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, RowMapping, case, func, literal, select, true

from ..forgotten import digest_of
from ..references import KeptReference, storable
from ..send_records import Expected
from .dialects.base import Database
from .tables import forgotten, message

_MAX_TEMPLATE: Final = 512
_MAX_LANGUAGE: Final = 32


def store_expected(connection: Connection, database: Database, expected: Expected) -> None:
    """Insert the message's row, or fill in what it lacks."""
    given = expected.external_reference_id
    reference = KeptReference.of(given) if given else None
    lacking = {
        "external_reference_id": reference and reference.key,
        "campaign": storable(expected.campaign),
        **template_columns(expected.template, expected.language),
        "expected_at": expected.sent_at or database.read_clock(connection),
        "receiver": expected.receiver,
    }
    known: dict[str, Any] = {
        name: func.coalesce(column := message.c[name], literal(value, column.type))
        for name, value in lacking.items()
    }
    known["sent_on"] = func.coalesce(message.c.queued_at, known["expected_at"])
    text = None
    if reference is not None and reference.text is not None:
        text, kept = reference.text, message.c.external_reference_id
        # MariaDB may have set that column already, other databases not.
        is_its = kept.is_(None) | (kept == reference.key)
        known["reference_text"] = case(
            (is_its, func.coalesce(message.c.reference_text, text)),
            else_=message.c.reference_text,
        )
    key = {"account_id": expected.account_id, "message_id": expected.message_id}
    its, now = digest_of(expected.account_id, expected.message_id), database.now()
    first = {
        **lacking,
        "reference_text": text,
        "first_seen": now,
        "last_seen": now,
        "sent_on": lacking["expected_at"],
        "is_returned": select(true()).where(forgotten.c.digest == its).scalar_subquery(),
    }
    connection.execute(database.upsert(message, key, first, known))


def expected_of(row: RowMapping, message_id: str) -> Expected:
    """The message that a send became."""
    return Expected(
        account_id=row["account"],
        message_id=message_id,
        external_reference_id=row["reference"],
        campaign=row["campaign"],
        template=row["template"],
        language=row["language"],
        sent_at=row["created_at"],
        receiver=row["receiver"],
    )


def template_columns(name: str | None, language: str | None) -> dict[str, str | None]:
    """A template and its language, truncated to their columns' length."""
    return {
        "template": name and (storable(name) or "")[:_MAX_TEMPLATE],
        "language": language and (storable(language) or "")[:_MAX_LANGUAGE],
    }
