"""The statements that handle events, as text for the driver, one set per database.

They bypass SQLAlchemy's statement machinery, which costs more than the database does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from .corrections import CORRECTION_TEXTS, CorrectionStatements
from .dialects.dialect_sql import DialectSQL
from .message_upsert import message_upsert
from .statement_parameters import Statement

_INSERT_EVENT: Final = """
INSERT INTO fd_whatsapp_event
  (message_key, status, timestamp, received_at, receiver, payload, headers,
   previous_status, is_stale, attempts, due_at)
VALUES
  (:message_key, :status, :timestamp, {now}, :receiver, :payload, :headers,
   :previous_status, :is_stale, :attempts, {now})
{on_seen}{returning_id}"""

_SEEN: Final = """
SELECT 1 FROM fd_whatsapp_event e JOIN fd_whatsapp_message m ON m.id = e.message_key
WHERE {which}
"""

_FIND: Final = """
SELECT e.id, m.id, e.attempts, e.due_at IS NOT NULL, e.dead_at IS NOT NULL, e.payload, e.headers,
       e.previous_status, e.is_stale, m.status,
       COALESCE(m.reference_text, m.external_reference_id), m.campaign,
       m.last_seen, e.status, m.claim_token IS NOT NULL AND NOT ({is_over_of_m}),
       m.error_code, m.error_message,
       e.due_at, e.due_at <= {now}, COALESCE(e.postponed, 0), e.source
FROM fd_whatsapp_event e JOIN fd_whatsapp_message m ON m.id = e.message_key
WHERE {which}
"""

_CLAIM: Final = """
UPDATE fd_whatsapp_message
SET claim_token = :token, claim_until = {lease_end}, claimed_at = {now}, claimed_status = :status
WHERE id = :message_key AND (claim_token IS NULL OR {is_over_now})
"""

_RENEW: Final = """
UPDATE fd_whatsapp_message SET claim_until = {lease_end}
WHERE id = :message_key AND claim_token = :token
"""

_RELEASE: Final = """
UPDATE fd_whatsapp_message SET claim_token = NULL, claim_until = NULL
WHERE id = :message_key AND claim_token = :token
"""

_HANDLED: Final = """
INSERT INTO fd_whatsapp_handling (event_id, handler, is_superseded, handled_at)
VALUES (:event_id, :handler, :is_superseded, {now})
"""

_GAVE_UP: Final = """
INSERT INTO fd_whatsapp_handling (event_id, handler, is_superseded, gave_up, handled_at)
VALUES (:event_id, :handler, FALSE, TRUE, {now})
"""

_FAILED_AGAIN: Final = """
UPDATE fd_whatsapp_handler_error
SET outcome = :outcome, attempts = attempts + :counts, last_error = :said, last_error_at = {now}
WHERE event_id = :event_id AND handler = :handler
"""

_FAILED_FIRST: Final = """
INSERT INTO fd_whatsapp_handler_error
  (event_id, handler, outcome, attempts, last_error, last_error_at)
VALUES (:event_id, :handler, :outcome, :counts, :said, {now})
"""

_TAKE_UP_AGAIN: Final = """
DELETE FROM fd_whatsapp_handling WHERE event_id = :event_id AND handler = :handler AND gave_up
"""

_HANDLERS: Final = "SELECT handler, gave_up FROM fd_whatsapp_handling WHERE event_id = :event_id"

# Without the time that it is due, which is in an index.
_TRIED: Final = "UPDATE fd_whatsapp_event SET attempts = attempts + 1 WHERE id = :event_id"

# One before the event is due does not count, but if its process dies the next one does.
_TRIED_EARLY: Final = "UPDATE fd_whatsapp_event SET due_at = {now} WHERE id = :event_id"

_STANDING: Final = (
    "SELECT COALESCE(postponed, 0), {age} FROM fd_whatsapp_event WHERE id = :event_id"
)

_DONE: Final = "UPDATE fd_whatsapp_event SET due_at = NULL WHERE id = :event_id"

_DEAD: Final = "UPDATE fd_whatsapp_event SET due_at = NULL, dead_at = {now} WHERE id = :event_id"

_UNFINISHED: Final = """
UPDATE fd_whatsapp_event
SET due_at = COALESCE(:due_at, {due}), reserved_until = NULL, attempts = :attempts,
    postponed = :postponed,
    last_error = COALESCE(:last_error, last_error)
WHERE id = :event_id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statements(CorrectionStatements):
    """Each statement, by what it does."""

    upsert: Statement
    insert_event: Statement
    seen: Statement
    find: Statement
    find_by_id: Statement
    claim: Statement
    succeed: Statement
    renew: Statement
    release: Statement
    handled: Statement
    gave_up: Statement
    failed_again: Statement
    failed_first: Statement
    take_up_again: Statement
    handlers: Statement
    tried: Statement
    tried_early: Statement
    done: Statement
    standing: Statement
    unfinished: Statement
    dead: Statement


def statements_for(sql: DialectSQL, in_style: Callable[[str], Statement]) -> Statements:
    """The statements in a database's dialect.

    :param in_style: converts a text with ``:name`` to its driver's parameter style.
    """
    return Statements(**{name: in_style(text) for name, text in texts_for(sql).items()})


def texts_for(sql: DialectSQL) -> dict[str, str]:
    """Their texts, with ``:name`` for parameters."""
    times = {"now": sql.now, "lease_end": sql.lease_end, "due": sql.due, "age": sql.age}
    times["is_over_now"] = sql.is_over.format(of="", at=sql.now)
    times["is_over_of_m"] = sql.is_over.format(of="m.", at=sql.now)
    by_key = "m.account_id = :account_id AND m.message_id = :message_id AND e.status = :status"
    return {
        "upsert": message_upsert(sql),
        "insert_event": _INSERT_EVENT.format(
            **times,
            on_seen=sql.on_seen,
            returning_id=sql.returning_id,
        ),
        "seen": _SEEN.format(which=by_key),
        "find": _FIND.format(which=by_key, **times),
        "find_by_id": _FIND.format(which="e.id = :event_id", **times),
        "claim": _CLAIM.format(**times),
        "succeed": _RENEW.format(**times),
        "renew": _RENEW.format(**times),
        "release": _RELEASE,
        "handled": _HANDLED.format(**times),
        "gave_up": _GAVE_UP.format(**times),
        "failed_again": _FAILED_AGAIN.format(**times),
        "failed_first": _FAILED_FIRST.format(**times),
        "take_up_again": _TAKE_UP_AGAIN,
        "handlers": _HANDLERS,
        "tried": _TRIED,
        "tried_early": _TRIED_EARLY.format(**times),
        "done": _DONE,
        "standing": _STANDING.format(**times),
        "unfinished": _UNFINISHED.format(**times),
        "dead": _DEAD.format(**times),
        **CORRECTION_TEXTS,
    }
