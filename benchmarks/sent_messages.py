"""Fills a ledger with messages of every outcome, sent over the last days, using the database
itself.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Engine, text

from .filling import ACCOUNT

DAYS: Final = 30

SMALL_CAMPAIGN: Final = "small"
SMALL_SHARE: Final = 200
"""One message of so many is of the small campaign, the others are of nineteen more."""

_AT_ONCE: Final = 50_000
"""Messages of a statement: it is to end within the ledger's time-outs."""

_NUMBERS = {
    "sqlite": "WITH RECURSIVE numbers(n) AS"
    " (SELECT {first} UNION ALL SELECT n + 1 FROM numbers WHERE n < {last}) SELECT n FROM numbers",
    "postgresql": "SELECT n FROM generate_series(CAST({first} AS bigint), {last}) AS numbers(n)",
    "mysql": "SELECT seq AS n FROM seq_{first}_to_{last}",
}
_PAST = {
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f000', 'now', '-' || ({seconds}) || ' seconds')",
    "postgresql": "now() - ({seconds}) * interval '1 second'",
    "mysql": "UTC_TIMESTAMP(6) - INTERVAL ({seconds}) SECOND",
}
_INSERT = """
INSERT INTO fd_whatsapp_message
  (account_id, message_id, campaign, template, status, status_rank, queued_at, sent_at,
   delivered_at, read_at, failed_at, error_code, error_message, first_seen, last_seen, sent_on,
   receiver)
SELECT '{account}', '01KAB4HHTBE0817' || CAST(n AS CHAR(12)),
  CASE WHEN n % {small_share} = 0 THEN '{small}'
       ELSE 'campaign-' || CAST(n % 19 AS CHAR(2)) END,
  'order_update',
  CASE WHEN fate < 40 THEN 'FAILED' WHEN fate < 60 THEN 'SENT'
       WHEN is_read THEN 'READ' ELSE 'DELIVERED' END,
  CASE WHEN fate < 40 THEN 2 WHEN fate < 60 THEN 1 WHEN is_read THEN 4 ELSE 3 END,
  {queued}, CASE WHEN fate >= 20 THEN {sent} END, CASE WHEN fate >= 60 THEN {delivered} END,
  CASE WHEN fate >= 60 AND is_read THEN {read} END, CASE WHEN fate < 40 THEN {sent} END,
  CASE WHEN fate < 40 THEN '1310' || CAST(20 + n % 7 AS CHAR(2)) END,
  CASE WHEN fate < 40 THEN 'Message undeliverable' END,
  {queued}, {queued}, {queued}, 'fd_whatsapp'
FROM (
  SELECT n, n * 7919 % 1000 AS fate, n * 104729 % 100 < 60 AS is_read,
    ({messages} - n) * {step} AS ago
  FROM ({numbers}) AS counted
) AS fates
"""
_TIMES = {
    "queued": "ago",
    "sent": "ago - n * 31 % 5000 / 1000.0",
    "delivered": "ago - 5 - n * 7919 % 100003 / 100.0",
    "read": "ago - 1100 - n * 104729 % 1000003 / 10.0",
}
"""How many seconds ago that was: small numbers of seconds, minutes and hours after each other."""

_AFTERWARDS = {
    "sqlite": "PRAGMA wal_checkpoint(TRUNCATE)",
    "postgresql": "VACUUM ANALYZE fd_whatsapp_message",
    "mysql": "ANALYZE TABLE fd_whatsapp_message",
}
"""What the database would have done by itself in the course of that time."""


def fill_with_sent(engine: Engine, messages: int, days: float = DAYS) -> None:
    """Fill an empty ledger with as many messages, sent evenly over the last *days*."""
    dialect = "mysql" if engine.dialect.name in ("mysql", "mariadb") else engine.dialect.name
    parts = {name: _PAST[dialect].format(seconds=seconds) for name, seconds in _TIMES.items()}
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if dialect == "mysql":
            connection.exec_driver_sql(
                "SET SESSION sql_mode = CONCAT(@@sql_mode, ',PIPES_AS_CONCAT')"
            )
        for first in range(1, messages + 1, _AT_ONCE):
            last = min(first + _AT_ONCE - 1, messages)
            insert = _INSERT.format(
                account=ACCOUNT,
                messages=messages,
                numbers=_NUMBERS[dialect].format(first=first, last=last),
                small=SMALL_CAMPAIGN,
                small_share=SMALL_SHARE,
                step=f"{days * 86400 / messages:.6f}",
                **parts,
            )
            connection.execute(text(insert))
        connection.exec_driver_sql(_AFTERWARDS[dialect])
