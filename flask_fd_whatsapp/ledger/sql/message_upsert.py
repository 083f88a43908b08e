"""The statement by which an event creates or changes its message, and claims it if it is free.

The status only moves forward, whatever the order of the events; what else is known of a message is
not replaced.
"""

from __future__ import annotations

from typing import Final

from ..asking import UNSURE_BIT
from ..learned import LEARNED
from .dialects.dialect_sql import DialectSQL
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


def message_upsert(sql: DialectSQL) -> str:
    """Its text, with ``:name`` for parameters."""
    new = {f"new_{column}": sql.new.format(column) for column in _NEW}
    new["new_rank"] = sql.new.format("status_rank")
    new["is_over"] = sql.is_over.format(of=sql.old, at=new["new_last_seen"])
    return _UPSERT.format(
        now=sql.now,
        lease_end=sql.lease_end,
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
