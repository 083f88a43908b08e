"""What has to hold in the end."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, select
from sqlalchemy.pool import NullPool

from flask_fd_whatsapp.events import rank_of
from flask_fd_whatsapp.ledger.sql import SQLLedger
from flask_fd_whatsapp.ledger.sql.tables import event, handling, message

from .burst import timestamp
from .host import changed, metadata, received, slow
from .server import Server
from .waiting import wait_until

Key = tuple[str, str]


def prepare(url: str) -> None:
    """Create the ledger's tables and the host's."""
    engine = create_engine(url, poolclass=NullPool)
    SQLLedger(engine).upgrade()
    metadata.create_all(engine)


@contextmanager
def connected(url: str) -> Generator[Connection]:
    with create_engine(url, poolclass=NullPool).connect() as connection:
        yield connection


def recorded(url: str) -> set[Key]:
    """The events that a ledger has."""
    query = select(message.c.message_id, event.c.status).join_from(event, message)
    with connected(url) as connection:
        return {(row.message_id, row.status) for row in connection.execute(query)}


def sweep_all(server: Server, url: str) -> None:
    """Run ``retry`` until nothing is pending."""

    def is_finished() -> bool:
        done = server.flask("retry")
        assert done.returncode == 0, done.stdout + done.stderr
        with connected(url) as connection:
            pending = select(event.c.id).where(event.c.due_at.is_not(None)).limit(1)
            return connection.execute(pending).first() is None

    wait_until(is_finished, "nothing is pending", 20)


class Aftermath:
    """The final contents of ledger, host and files."""

    def __init__(self, url: str, folder: Path) -> None:
        with connected(url) as connection:
            found = connection.execute(
                select(event, message.c.message_id).join_from(event, message)
            ).mappings()
            self.events = {(row["message_id"], row["status"]): row for row in found}
            self.messages = {
                row["message_id"]: row for row in connection.execute(select(message)).mappings()
            }
            self.received = Counter(_keys(connection, received))
            self.changed = _keys(connection, changed)
            self.slow = Counter(_keys(connection, slow))
            successes = connection.execute(select(handling)).mappings().all()
        ids = {row["id"]: key for key, row in self.events.items()}
        self.successes: dict[Key, list[str]] = defaultdict(list)
        self.superseded: set[Key] = set()
        for row in successes:
            if row["is_superseded"]:
                self.superseded.add(ids[row["event_id"]])
            else:
                self.successes[ids[row["event_id"]]].append(row["handler"])
        lines = (folder / "lines").read_text().splitlines()
        self.lines = {tuple(line.split()) for line in lines}

    def verify(self, acknowledged: set[Key]) -> None:
        """Nothing is lost or duplicated, and no state is wrong."""
        assert acknowledged <= self.events.keys()
        wrong = {key: rows for key, rows in self._rows().items() if rows[0] != rows[1]}
        assert not wrong, f"rows there are, and should be: {wrong}"
        for key, row in self.events.items():
            assert row["due_at"] is None, key
            assert row["dead_at"] is None, key
            expected = ["line", "received"]
            if self._is_change(key):
                expected.append("changed")
            if key[1] == "QUEUED":
                expected.append("slow")
            assert sorted(self.successes[key]) == sorted(expected), key
        assert self.lines == self.events.keys()
        self._verify_messages()

    def _is_change(self, key: Key) -> bool:
        return not self.events[key]["is_stale"] and key not in self.superseded

    def _rows(self) -> dict[tuple[str, Key], tuple[int, int]]:
        """How many rows each event has in the host's tables, and how many it should have."""
        keys = self.events.keys() | set(self.received) | set(self.changed)
        written = Counter(self.changed)
        return {
            **{("received", key): (self.received[key], int(key in self.events)) for key in keys},
            **{
                ("changed", key): (written[key], int(key in self.events and self._is_change(key)))
                for key in keys
            },
        }

    def _verify_messages(self) -> None:
        statuses = defaultdict(list)
        for message_id, status in self.events:
            statuses[message_id].append(status)
        assert statuses.keys() == self.messages.keys()
        for message_id, seen in statuses.items():
            row = self.messages[message_id]
            assert row["status"] == max(seen, key=_rank)
            assert row["claim_token"] is None
            for status in ("QUEUED", "SENT", "DELIVERED", "READ", "FAILED"):
                expected = timestamp(status) if status in seen else None
                assert row[f"{status.lower()}_at"] == expected, (message_id, status)
            ranks = [
                _rank(status) for changed_id, status in self.changed if changed_id == message_id
            ]
            assert ranks == sorted(set(ranks)), f"{message_id} moved backwards: {ranks}"


def _rank(status: str) -> int:
    rank = rank_of(status)
    assert rank is not None
    return rank


def _keys(connection: Connection, table: Any) -> list[Key]:
    order = [table.c.number] if "number" in table.c else []
    rows = connection.execute(select(table.c.message_id, table.c.status).order_by(*order))
    return [(row.message_id, row.status) for row in rows]
