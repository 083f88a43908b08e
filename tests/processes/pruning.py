"""Prunes a ledger in small batches, and reports after each."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta

from flask import Flask

from flask_fd_whatsapp.ledger.sql import SQLLedger


def main(url: str) -> None:
    """Prune everything."""
    ledger = SQLLedger.from_url(url, Flask("host"))
    while ledger.prune(before=datetime.now(UTC) + timedelta(days=1), limit=3):
        print("pruned", flush=True)
    ledger.engine.dispose()


if __name__ == "__main__":
    main(sys.argv[1])
