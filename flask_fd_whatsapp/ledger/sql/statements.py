"""The statements that handle events, as text for the driver, one set per database.

They bypass SQLAlchemy's statement machinery, which costs more than the database does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ..asking import UNSURE_BIT
from ..learned import LEARNED
from .corrections import CORRECTION_TEXTS, CorrectionStatements
from .dialects.dialect_sql import DialectSQL
from .statement_parameters import Statement
from .tables import TIME_COLUMNS

_UPSERT: Final = """
INSERT INTO {message}
  (account_id, message_id, external_reference_id, reference_text, status, status_rank,
   queued_at, sent_at, delivered_at, read_at, failed_at, error_code, error_message,
   first_seen, last_seen, claim_token, claim_until, claimed_at, claimed_status,
   sent_on, receiver, is_returned{learned_columns})
VALUES
  (:account_id, :message_id, :reference, :reference_text, :known_status, :rank,
   :queued_at, :sent_at, :delivered_at, :read_at, :failed_at, :error_code, :error_message,
   {now}, {now}, :token, {lease_end}, {now}, :status,
   :timestamp, :receiver,
   (SELECT TRUE FROM fd_whatsapp_forgotten WHERE digest = :digest){learned_values})
{on_conflict}
  previous_status = {old}status,
  status = CASE WHEN {new_rank} > COALESCE({old}status_rank, -1)
                THEN {new_status} ELSE {old}status END,
  status_rank = CASE WHEN {new_rank} > COALESCE({old}status_rank, -1)
                     THEN {new_rank} ELSE {old}status_rank END,
  reference_text = CASE WHEN {old}external_reference_id IS NULL
                        THEN {new_reference_text} ELSE {old}reference_text END,
  external_reference_id = COALESCE({old}external_reference_id, {new_external_reference_id}),
  error_code = CASE WHEN {old}error_code IS NULL AND {old}error_message IS NULL
                    THEN {new_error_code} ELSE {old}error_code END,
  error_message = CASE WHEN {old}error_message IS NULL
                            AND ({old}error_code IS NULL OR {old}error_code = {new_error_code})
                       THEN {new_error_message} ELSE {old}error_message END,
  receiver = COALESCE({old}receiver, {new_receiver}),
  sent_on = COALESCE({old}queued_at, {new_queued_at}, {old}expected_at,
                     CASE WHEN ({new_sent_on} < {old}sent_on OR {old}estimated >= {unsure})
                               AND CASE {new_status}{had_time} END IS NULL
                          THEN {new_sent_on} ELSE {old}sent_on END),
  estimated = {old}estimated & ({unsure} - 1),
  queued_at = COALESCE({old}queued_at, {new_queued_at}),
  sent_at = COALESCE({old}sent_at, {new_sent_at}),
  delivered_at = COALESCE({old}delivered_at, {new_delivered_at}),
  read_at = COALESCE({old}read_at, {new_read_at}),
  failed_at = COALESCE({old}failed_at, {new_failed_at}),
  last_seen = {now},
  claim_token = CASE WHEN {new_claim_token} IS NOT NULL
                          AND ({old}claim_token IS NULL OR {is_over})
                     THEN {new_claim_token} ELSE {old}claim_token END,
  claim_until = {claim_until},
  claimed_at = {claimed_at},
  claimed_status = {claimed_status}{learned}
RETURNING id, previous_status, status,
  COALESCE(reference_text, external_reference_id) AS external_reference_id, campaign, claim_token
"""

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
    """By purpose."""

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


_NEW: Final = (
    "status",
    "external_reference_id",
    "reference_text",
    "queued_at",
    "sent_at",
    "delivered_at",
    "read_at",
    "failed_at",
    "error_code",
    "error_message",
    "claim_token",
    "last_seen",
    "receiver",
    "sent_on",
)

_CLAIMED: Final = ("claim_until", "claimed_at", "claimed_status")


def statements_for(sql: DialectSQL, in_style: Callable[[str], Statement]) -> Statements:
    """The statements in a database's dialect.

    :param in_style: converts a text with ``:name`` to its driver's parameter style.
    """
    return Statements(**{name: in_style(text) for name, text in texts_for(sql).items()})


def texts_for(sql: DialectSQL) -> dict[str, str]:
    """Their texts, with ``:name`` for parameters."""
    times = {"now": sql.now, "lease_end": sql.lease_end, "due": sql.due, "age": sql.age}
    new = {f"new_{column}": sql.new.format(column) for column in _NEW}
    new["new_rank"] = sql.new.format("status_rank")
    new["is_over"] = sql.is_over.format(of=sql.old, at=new["new_last_seen"])
    upsert = _UPSERT.format(
        **times,
        **new,
        # Short, since psycopg parses a text of over 4,096 characters anew each time.
        had_time="".join(
            f" WHEN '{status}' THEN {sql.old}{column}" for status, column in TIME_COLUMNS.items()
        ),
        unsure=UNSURE_BIT,
        on_conflict=sql.on_conflict,
        message=sql.message,
        old=sql.old,
        learned_columns="".join(f", {column}" for column in LEARNED),
        learned_values="".join(f", :{column}" for column in LEARNED),
        learned="".join(
            f",\n  {column} = COALESCE({sql.old}{column}, {sql.new.format(column)})"
            for column in LEARNED
        ),
        **{column: sql.if_claimed.format(column=column, **new) for column in _CLAIMED},
    )
    times["is_over_now"] = sql.is_over.format(of="", at=sql.now)
    times["is_over_of_m"] = sql.is_over.format(of="m.", at=sql.now)
    by_key = "m.account_id = :account_id AND m.message_id = :message_id AND e.status = :status"
    return {
        "upsert": upsert,
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
