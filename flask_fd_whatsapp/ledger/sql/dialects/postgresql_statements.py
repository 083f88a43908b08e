"""PostgreSQL's statements: each step of handling an event can be a single one.

All its parts see the snapshot from when it began.  Every part after the message's selects from
that, so that the message's row is locked first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..statement_parameters import Statement, by_name
from ..statements import Statements, texts_for
from .dialect_sql import DialectSQL

_SQL: Final = DialectSQL(
    now="clock_timestamp()",
    lease_end="clock_timestamp() + make_interval(secs => :lease)",
    due="clock_timestamp() + make_interval(secs => :delay)",
    age="EXTRACT(EPOCH FROM clock_timestamp() - COALESCE(revived_at, received_at))",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleStatements(Statements):
    """One statement per step: :attr:`succeed` and :attr:`release` also record successes.

    :param insert: the event and its message.
    :param complete: successes, the end of the claim and of the event.
    :param claim_pending: claims a pending event's message and counts the attempt.
    """

    insert: Statement
    complete: Statement
    claim_pending: Statement


_SINGLE_INSERT: Final = """
WITH m AS ({upsert}), e AS (
  INSERT INTO fd_whatsapp_event
    (message_key, status, timestamp, received_at, receiver, payload, headers,
     previous_status, is_stale, attempts, due_at)
  SELECT m.id, :status, :timestamp, {now}, :receiver, :payload, :headers, m.previous_status,
         CAST(:rank AS smallint) IS NOT NULL
           AND (m.status IS DISTINCT FROM CAST(:status AS varchar)
             OR m.previous_status IS NOT DISTINCT FROM m.status),
         CASE WHEN m.claim_token = :token THEN 1 ELSE 0 END,
         {now}
  FROM m
  {on_seen}RETURNING id
)
SELECT m.id, m.previous_status, m.status, m.external_reference_id, m.campaign, m.claim_token, e.id
FROM m LEFT JOIN e ON TRUE
"""

_SINGLE_RECORD: Final = """
WITH m AS ({claimed}
  AND set_config(
    'synchronous_commit',
    CASE WHEN :is_durable THEN current_setting('synchronous_commit') ELSE 'off' END,
    TRUE
  ) IS NOT NULL
  RETURNING id
), h AS (
  INSERT INTO fd_whatsapp_handling (event_id, handler, is_superseded, handled_at)
  SELECT :event_id, handler, CAST(is_superseded AS boolean), {now}
  FROM m, json_each_text(CAST(:handled AS json)) AS given (handler, is_superseded)
)
{then}
"""

# A crash of the server may lose the claim, and a handler may be called again.
_LAZY: Final = "set_config('synchronous_commit', 'off', TRUE) IS NOT NULL"

# Where the message has changed since the statement's snapshot was taken, nothing is claimed: the
# snapshot may lack what the previous holder has written.  Told by xmin, since PostgreSQL may not
# compare the ctid of a changed row again.
_CLAIM_PENDING: Final = """
WITH m AS (
  UPDATE fd_whatsapp_message m
  SET claim_token = :token, claim_until = {lease_end}, claimed_at = {now}, claimed_status = e.status
  FROM fd_whatsapp_event e JOIN fd_whatsapp_message seen ON seen.id = e.message_key
  WHERE e.id = :event_id AND e.due_at IS NOT NULL AND e.attempts < :max_attempts
    AND m.id = seen.id AND m.xmin = seen.xmin
    AND (m.claim_token IS NULL OR m.claim_until <= {now} OR m.claim_token = :token) AND {lazy}
  RETURNING e.id
), t AS (
  UPDATE fd_whatsapp_event
  SET attempts = attempts + CASE WHEN due_at <= {now} THEN 1 ELSE 0 END,
      due_at = LEAST(due_at, {now})
  WHERE id = (SELECT id FROM m) AND due_at IS NOT NULL
  RETURNING id
)
SELECT found.*, h.settled, h.gave_up
FROM t, ({found}) AS found, LATERAL (
  SELECT array_agg(handler) AS settled, array_agg(handler) FILTER (WHERE gave_up) AS gave_up
  FROM fd_whatsapp_handling WHERE event_id = t.id
) AS h
"""


def single_statements() -> SingleStatements:
    """The statements for PostgreSQL, in psycopg's parameter style."""
    texts, now, on_seen = texts_for(_SQL), _SQL.now, _SQL.on_seen

    def recording(claimed: str, then: str) -> str:
        return _SINGLE_RECORD.format(claimed=claimed, then=then, now=now)

    singles = {
        "insert": _SINGLE_INSERT.format(upsert=texts["upsert"], now=now, on_seen=on_seen),
        "succeed": recording(texts["renew"], "SELECT id FROM m"),
        "release": recording(texts["release"], "SELECT id FROM m"),
        "complete": recording(texts["release"], f"{texts['done']} AND EXISTS (SELECT FROM m)"),
        "claim_pending": _CLAIM_PENDING.format(
            found=texts["find_by_id"], lazy=_LAZY, now=now, lease_end=_SQL.lease_end
        ),
    }
    return SingleStatements(**{name: by_name(text) for name, text in {**texts, **singles}.items()})
