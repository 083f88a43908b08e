"""The parts of statements that differ between databases."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DialectSQL:
    """One database's dialect; the defaults are for databases with ``ON CONFLICT``.

    :param now: the time, by the clock for all of the ledger's times.
    :param lease_end: ``:lease`` seconds from now.
    :param due: ``:delay`` seconds from now.
    :param age: the seconds since an event was recorded, or revived.
    :param is_over: whether a claim, in columns with the prefix *of*, has ended at the time *at*.
    :param message: the table of messages in an insert or update.
    :param on_conflict: begins the update of an existing message.
    :param on_seen: ignores a duplicate event.
    :param old: the prefix of a column as it was before the update.
    :param new: a column's value from the insert.
    :param if_claimed: that value of *column* if the new claim was granted, else the old one.
    :param returning_id: returns the id of an inserted event.
    """

    now: str
    lease_end: str
    due: str
    age: str
    is_over: str = "{of}claim_until <= {at}"
    message: str = "fd_whatsapp_message AS was"
    on_conflict: str = "ON CONFLICT (account_id, message_id) DO UPDATE SET"
    on_seen: str = "ON CONFLICT (message_key, status) DO NOTHING\n"
    old: str = "was."
    new: str = "excluded.{}"
    if_claimed: str = (
        "CASE WHEN excluded.claim_token IS NOT NULL AND (was.claim_token IS NULL OR {is_over})"
        " THEN excluded.{column} ELSE was.{column} END"
    )
    returning_id: str = "RETURNING id\n"
