"""The parts of statements that each database has in its own words."""

from __future__ import annotations

from typing import Final

CONFLICT: Final = {
    "on_conflict": "ON CONFLICT (account_id, message_id) DO UPDATE SET",
    "on_seen": "ON CONFLICT (message_key, status) DO NOTHING\n",
    "message": "fd_whatsapp_message AS was",
    "old": "was.",
    "new": "excluded.{}",
    "if_claimed": (
        "CASE WHEN excluded.claim_token IS NOT NULL AND (was.claim_token IS NULL OR {is_over})"
        " THEN excluded.{column} ELSE was.{column} END"
    ),
}

PARTS: Final = {
    # SQLite runs on this machine, so that its clock is this process's, given as :now.
    "sqlite": {
        **CONFLICT,
        "returning_id": "",  # it tells the last one anyway, which costs less
        # A claim of later than now is of a clock that was ahead and has been set right.
        "is_over": "{of}claim_until <= {at} OR COALESCE({of}claimed_at, {at}) > :ahead",
        "now": ":now",
        "lease_end": ":lease_end",
        "due": ":due",
        "age": "(JULIANDAY(:now) - JULIANDAY(COALESCE(revived_at, received_at))) * 86400",
    },
    "postgresql": {
        **CONFLICT,
        "now": "clock_timestamp()",
        "lease_end": "clock_timestamp() + make_interval(secs => :lease)",
        "due": "clock_timestamp() + make_interval(secs => :delay)",
        "age": "EXTRACT(EPOCH FROM clock_timestamp() - COALESCE(revived_at, received_at))",
    },
    # MariaDB assigns from left to right: claim_token is the new one when claim_until is set, and
    # error_message sees the new error_code, which is then the event's own or was there before.
    "mariadb": {
        "on_conflict": "ON DUPLICATE KEY UPDATE",
        "on_seen": "",
        "message": "fd_whatsapp_message",
        "old": "",
        "new": "VALUES({})",
        "if_claimed": (
            "CASE WHEN claim_token = VALUES(claim_token) THEN VALUES({column}) ELSE {column} END"
        ),
        "now": "UTC_TIMESTAMP(6)",
        "lease_end": "UTC_TIMESTAMP(6) + INTERVAL :lease * 1000000 MICROSECOND",
        "due": "UTC_TIMESTAMP(6) + INTERVAL :delay * 1000000 MICROSECOND",
        "age": (
            "TIMESTAMPDIFF(MICROSECOND, COALESCE(revived_at, received_at), UTC_TIMESTAMP(6))"
            " / 1000000"
        ),
    },
}
