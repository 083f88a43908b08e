"""A process that uses a ledger, forks, and uses it again at once, as gunicorn's ``--preload`` does.

``forks.py URL`` prints, for the parent and then for each child, by which numbers the server knows
the connections it used, and how many events it recorded.  The parent closes its connections while
its children have theirs open: SQLite throws the WAL away with what it takes for the last one.
"""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from flask import Flask

from flask_fd_whatsapp.events import Status, StatusEvent
from flask_fd_whatsapp.ledger import Entry, Policy
from flask_fd_whatsapp.ledger.sql import SQLLedger

CHILDREN = 2
EVENTS = 20

_NUMBER = {"postgresql": "SELECT pg_backend_pid()", "mysql": "SELECT CONNECTION_ID()"}


def numbers(ledger: SQLLedger) -> list[int]:
    """The server's numbers of two connections that are open at once."""
    engine = ledger.engine
    statement = _NUMBER.get("mysql" if engine.dialect.name == "mariadb" else engine.dialect.name)
    if statement is None:
        return []
    with engine.connect() as one, engine.connect() as other:
        return [int(c.exec_driver_sql(statement).scalar_one()) for c in (one, other)]


def record(ledger: SQLLedger, who: str) -> None:
    """Record some events, from two threads."""

    def one(number: int) -> None:
        event = StatusEvent(
            account_id=who,
            message_id=str(number),
            status=Status.SENT,
            timestamp=datetime.now(UTC),
        )
        entry = Entry(receiver="fd_whatsapp", event=event, body="{}", headers={}, campaign=None)
        ledger.record(entry, Policy(), claim=False)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(one, range(EVENTS)))


def tell(ledger: SQLLedger, who: str) -> dict[str, Any]:
    found = ledger.events(account_id=who, limit=1000)
    return {"connections": numbers(ledger), "recorded": len(found)}


def child(ledger: SQLLedger, who: str, told: int, go_on: int) -> None:
    record(ledger, who)
    os.write(told, f"{json.dumps(tell(ledger, who))}\n".encode())
    os.read(go_on, 1)
    record(ledger, f"{who} again")
    os._exit(0)  # with its connections open, as if killed


def main(url: str) -> None:
    ledger = SQLLedger.from_url(url, Flask("host"))
    record(ledger, "before")
    numbers(ledger)
    resume, go_on = os.pipe()
    pipes = []
    for number in range(CHILDREN):
        read, told = os.pipe()
        if os.fork() == 0:
            os.close(go_on)
            child(ledger, f"child {number}", told, resume)
        os.close(told)
        pipes.append(read)
    record(ledger, "parent")
    results = [tell(ledger, "parent")]
    for pipe in pipes:
        with os.fdopen(pipe) as stream:
            results.append(json.loads(stream.readline()))
    ledger.engine.dispose()
    other = SQLLedger.from_url(url, Flask("host"))
    record(other, "other")
    other.engine.dispose()
    os.close(go_on)
    for _ in range(CHILDREN):
        assert os.wait()[1] == 0
    for result in results:
        print(json.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1])
