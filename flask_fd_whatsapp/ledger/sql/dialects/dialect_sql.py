"""The parts of statements that each database has in its own words."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DialectSQL:
    """One database's words; the defaults are those of who has ``ON CONFLICT``.

    :param now: the time, by the clock that all of the ledger's times are of.
    :param lease_end: ``:lease`` seconds from now.
    :param due: ``:delay`` seconds from now.
    :param age: for how many seconds an event has been there, or alive again.
    :param is_over: whether a claim has ended, of columns with the prefix *of*, at the time *at*.
    :param message: the table of messages as a row is put into it or updated.
    :param on_conflict: what begins the update of a message that is there.
    :param on_seen: what lets an event that is there be.
    :param old: the prefix of a column as it was before the update.
    :param new: a column's value that was to be inserted.
    :param if_claimed: that of *column* if the message's claim is the new one, else the old one.
    :param returning_id: what gives the id of an inserted event.
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
