"""Fills a ledger as years of use would, quickly, using the database itself."""

from __future__ import annotations

from sqlalchemy import Engine, text

from .requests import new_bodies

STATUSES = ("QUEUED", "SENT", "DELIVERED", "READ")
"""The events of each message, all handled."""

DAYS = 90

ACCOUNT = "11011399037"
OLDEST_CAMPAIGN = "campaign-0"

_CAMPAIGNS = 20
"""One after the other, named with numbers."""

_PAST = {
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f000', 'now', '-' || {seconds} || ' seconds')",
    "postgresql": "now() - {seconds} * interval '1 second'",
}
"""A time so many seconds ago, as the ledger keeps it."""

_NUMBERS = (
    "WITH RECURSIVE numbers(n) AS"
    " (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :messages)"
)
_MESSAGES = """
INSERT INTO fd_whatsapp_message
  (id, account_id, message_id, external_reference_id, campaign, status, status_rank,
   previous_status, queued_at, sent_at, delivered_at, read_at, first_seen, last_seen, sent_on,
   receiver)
{numbers}
SELECT n, '{account}', '01KAB4HHTBE0817' || substr(CAST(100000000000 + n AS text), 2),
  'MM-T1-' || CAST(n AS text), 'campaign-' || CAST({campaign} AS text), 'READ', 4, 'DELIVERED',
  {past}, {past}, {past}, {past}, {past}, {past}, {past}, 'fd_whatsapp'
FROM numbers
"""
_EVENTS = """
INSERT INTO fd_whatsapp_event
  (id, message_key, status, timestamp, received_at, receiver, payload, headers, is_stale, attempts)
{numbers}
SELECT 4 * n - 3 + place, n, status, {past}, {past}, 'fd_whatsapp', :payload, '{{}}', {false}, 1
FROM numbers CROSS JOIN ({statuses}) AS steps
"""
_HANDLINGS = """
INSERT INTO fd_whatsapp_handling (event_id, handler, is_superseded, handled_at)
SELECT id, 'benchmarks.durable.handler', {false}, received_at FROM fd_whatsapp_event
"""
_SEQUENCES = "SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}"
_AFTERWARDS = {
    "sqlite": ["PRAGMA wal_checkpoint(TRUNCATE)"],
    "postgresql": [
        _SEQUENCES.format(table="fd_whatsapp_message"),
        _SEQUENCES.format(table="fd_whatsapp_event"),
        "VACUUM ANALYZE",
        "CHECKPOINT",
    ],
}
"""What the database would have done by itself in the course of that time."""


def fill(engine: Engine, events: int) -> None:
    """Fill an empty ledger with about *events* events of the last 90 days.

    :param engine: of SQLite or PostgreSQL.
    """
    messages, payload = max(1, events // len(STATUSES)), next(new_bodies()).decode()
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in (_MESSAGES, _EVENTS, _HANDLINGS):
            filled_in = statement.format(**_parts(engine.dialect.name, messages))
            connection.execute(text(filled_in), {"messages": messages, "payload": payload})
        for command in _AFTERWARDS[engine.dialect.name]:
            connection.exec_driver_sql(command)


def _parts(dialect: str, messages: int) -> dict[str, str]:
    """The statements that differ between databases, and those too long to repeat."""
    seconds = f"({messages} - n) * {DAYS * 86400 / messages:.6f}"
    steps = (f"SELECT {place} AS place, '{name}' AS status" for place, name in enumerate(STATUSES))
    return {
        "numbers": _NUMBERS,
        "account": ACCOUNT,
        "campaign": f"((n - 1) * {_CAMPAIGNS} / {messages})",
        "past": _PAST[dialect].format(seconds=f"({seconds})"),
        "statuses": " UNION ALL ".join(steps),
        "false": "0" if dialect == "sqlite" else "false",
    }
