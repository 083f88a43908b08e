from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, text

from flask_fd_whatsapp.ledger import State
from flask_fd_whatsapp.ledger.listing import MessageFilter, Place
from flask_fd_whatsapp.ledger.send_records import SendFilter, SendPlace, SendState, digest_of
from flask_fd_whatsapp.ledger.sql import SQLLedger
from flask_fd_whatsapp.ledger.sql.tables import event as event_table
from flask_fd_whatsapp.ledger.sql.tables import message as message_table
from flask_fd_whatsapp.ledger.sql.tables import quarantine as quarantine_table
from flask_fd_whatsapp.ledger.sql.tables import send as send_table

from .conftest import Shared
from .databases import KINDS, SERVERS
from .entries import RECEIVER
from .plans import rows_read

MESSAGES = 8000
ENOUGH = 400
KEPT = 300  # of which a backlog counts every one
PAGE = 20
FEW = 5
FIRST = 10_000_000  # higher than the server's own sequence gets
START = datetime(2025, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module", params=KINDS)
def full(request: pytest.FixtureRequest, shared: Shared) -> SQLLedger:
    """A ledger of thousands of finished messages, with a few that are pending or dead."""
    ledger: SQLLedger = shared(request.param)
    times = [START + timedelta(minutes=number) for number in range(MESSAGES)]
    now = datetime.now(UTC)
    with ledger.database.writing() as connection:
        connection.execute(
            message_table.insert(),
            [
                {
                    "id": FIRST + number,
                    "account_id": "2" if number % 1000 == 250 else "1",
                    "message_id": f"M{number}",
                    "external_reference_id": f"R{number // 2}",
                    "campaign": "autumn" if number % 1000 == 250 else "spring",
                    "status": "SENT",
                    "status_rank": 1,
                    "sent_at": moment,
                    "first_seen": moment,
                    "last_seen": moment,
                    "sent_on": moment,
                    "expected_at": moment,
                    "receiver": RECEIVER,
                }
                for number, moment in enumerate(times)
            ],
        )
        connection.execute(
            event_table.insert(),
            [
                {
                    "id": FIRST + number,
                    "message_key": FIRST + number,
                    "status": "SENT",
                    "timestamp": moment,
                    "received_at": moment,
                    "receiver": RECEIVER,
                    "payload": "{}",
                    "headers": "{}",
                    "is_stale": False,
                    "attempts": 1,
                    "due_at": now if number % 1000 == 999 else None,
                    "dead_at": now if number % 1000 == 500 else None,
                }
                for number, moment in enumerate(times)
            ],
        )
        connection.execute(
            send_table.insert(),
            [
                {
                    "id": FIRST + number,
                    "receiver": RECEIVER,
                    "account": "1",
                    "reference": f"R{number}",
                    "reference_digest": digest_of(f"R{number}"),
                    "campaign": "autumn" if number % 1000 == 250 else "spring",
                    "state": "unknown" if number % 1000 == 777 else "sent",
                    "message_id": None if number % 1000 == 777 else f"M{number}",
                    "created_at": moment,
                    "settled_at": None if number % 1000 == 777 else moment,
                }
                for number, moment in enumerate(times)
            ],
        )
        connection.execute(
            quarantine_table.insert(),
            [
                {
                    "id": FIRST + number,
                    "receiver": RECEIVER,
                    "digest": f"{number}",
                    "is_ignored": number % 10 == 0,
                    "reason": "invalid",
                    "detail": "no such status",
                    "body": b"x" * 5000,
                    "headers": "{}",
                    "first_seen": START,
                    "last_seen": START,
                    "count": 1,
                }
                for number in range(KEPT)
            ],
        )
    tables = "fd_whatsapp_message, fd_whatsapp_event, fd_whatsapp_quarantine, fd_whatsapp_send"
    with ledger.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if ledger.engine.dialect.name == "postgresql":
            connection.execute(text(f"VACUUM ANALYZE {tables}"))
        elif ledger.engine.dialect.name != "sqlite":
            connection.execute(text(f"ANALYZE TABLE {tables}"))
    assert ledger.overview.backlog().pending == MESSAGES // 1000
    return ledger


QUERIES: dict[str, Callable[[SQLLedger], Any]] = {
    "due": lambda ledger: ledger.reservations.due(receiver=RECEIVER, limit=PAGE),
    "due of any": lambda ledger: ledger.reservations.due(limit=1),
    "reserved": lambda ledger: ledger.reservations.reserved(),
    "reserve": lambda ledger: ledger.reservations.reserve(
        receiver=RECEIVER, limit=PAGE, seconds=60
    ),
    "nothing to reserve": lambda ledger: ledger.reservations.reserve(
        receiver="silent", limit=PAGE, seconds=60
    ),
    "backlog": lambda ledger: ledger.overview.backlog(),
    "backlog of receiver": lambda ledger: ledger.overview.backlog(receiver=RECEIVER),
    "backlog of silent receiver": lambda ledger: ledger.overview.backlog(receiver="silent"),
    "message": lambda ledger: ledger.message("M77"),
    "message of account": lambda ledger: ledger.message("M77", "1"),
    "messages": lambda ledger: ledger.messages(external_reference_id="R77"),
    "messages of ids": lambda ledger: ledger.messages(message_ids=["M77", "M78", "none"]),
    "first page": lambda ledger: ledger.events(limit=PAGE),
    "next page": lambda ledger: ledger.events(limit=PAGE, before=FIRST + 1500),
    "oldest first": lambda ledger: ledger.events(limit=PAGE, after=FIRST + 1500),
    "pending": lambda ledger: ledger.events(limit=PAGE, state=State.PENDING),
    "dead": lambda ledger: ledger.events(limit=PAGE, state=State.DEAD),
    "of message": lambda ledger: ledger.events(limit=PAGE, message_id="M77"),
    "of reference": lambda ledger: ledger.events(limit=PAGE, external_reference_id="R77"),
    "next dead": lambda ledger: ledger.events(
        limit=PAGE, state=State.DEAD, before=FIRST + MESSAGES - 100
    ),
    "of receiver": lambda ledger: ledger.events(limit=PAGE, receiver=RECEIVER, status="SENT"),
    "since": lambda ledger: ledger.events(
        limit=PAGE, since=START + timedelta(minutes=MESSAGES - PAGE)
    ),
    "unhandled": lambda ledger: ledger.events(limit=PAGE, after=FIRST, unhandled_by="tickets"),
    "unhandled, newest": lambda ledger: ledger.events(limit=PAGE, unhandled_by="tickets"),
    "unhandled since": lambda ledger: ledger.events(
        limit=PAGE, since=START + timedelta(minutes=77), after=0, unhandled_by="tickets"
    ),
    "until": lambda ledger: ledger.events(limit=PAGE, until=START + timedelta(minutes=77)),
    "until before all": lambda ledger: ledger.events(limit=PAGE, until=START),
    "next until": lambda ledger: ledger.events(
        limit=PAGE, until=START + timedelta(minutes=7777), before=FIRST + 777
    ),
    "since and until of receiver": lambda ledger: ledger.events(
        limit=PAGE,
        receiver=RECEIVER,
        since=START + timedelta(minutes=77),
        until=START + timedelta(minutes=777),
        after=FIRST + 100,
    ),
    "of silent receiver": lambda ledger: ledger.events(limit=PAGE, receiver="silent"),
    "of account": lambda ledger: ledger.events(limit=FEW, account_id="1"),
    "of rare account": lambda ledger: ledger.events(limit=FEW, account_id="2"),
    "of unknown account": lambda ledger: ledger.events(limit=FEW, account_id="3"),
    "of campaign": lambda ledger: ledger.events(limit=FEW, campaign="spring"),
    "next of campaign": lambda ledger: ledger.events(
        limit=FEW, campaign="spring", before=FIRST + 777
    ),
    "of rare campaign": lambda ledger: ledger.events(limit=FEW, campaign="autumn"),
    "next of rare campaign": lambda ledger: ledger.events(
        limit=FEW, campaign="autumn", after=FIRST + 777
    ),
    "of unknown campaign": lambda ledger: ledger.events(limit=FEW, campaign="winter"),
    "revive": lambda ledger: ledger.dead_events.revive(FIRST + 77),
    "nothing to prune": lambda ledger: ledger.prune(before=START, limit=PAGE),
    "nothing to prune of receiver": lambda ledger: ledger.prune(
        before=START, limit=PAGE, receiver=RECEIVER
    ),
    "nothing to prune of silent receiver": lambda ledger: ledger.prune(
        before=START + timedelta(minutes=MESSAGES), limit=PAGE, receiver="silent"
    ),
    "prune of receiver": lambda ledger: ledger.prune(
        before=START + timedelta(minutes=MESSAGES), limit=PAGE, receiver=RECEIVER
    ),
    "report of a period": lambda ledger: ledger.engagement(
        since=START + timedelta(minutes=777), until=START + timedelta(minutes=777 + PAGE), by="hour"
    ),
    "counts of a period": lambda ledger: ledger.engagement(
        since=START + timedelta(minutes=777),
        until=START + timedelta(minutes=777 + PAGE),
        by=("day", "failure"),
        times=False,
    ),
    "report of rare campaign": lambda ledger: ledger.engagement(campaign="autumn", by="day"),
    "report of a campaign's period": lambda ledger: ledger.engagement(
        since=START + timedelta(minutes=777),
        until=START + timedelta(minutes=777 + PAGE),
        campaign="spring",
        times=False,
    ),
    "page of messages": lambda ledger: ledger.browser.page(MessageFilter(), limit=PAGE),
    "next page of messages": lambda ledger: ledger.browser.page(
        MessageFilter(), before=Place(START + timedelta(minutes=777), FIRST + 777), limit=PAGE
    ),
    "page of messages before": lambda ledger: ledger.browser.page(
        MessageFilter(), after=Place(START + timedelta(minutes=777), FIRST + 777), limit=PAGE
    ),
    "page of a period's messages": lambda ledger: ledger.browser.page(
        MessageFilter(since=START, until=START + timedelta(minutes=777)), limit=PAGE
    ),
    "page of a campaign's messages": lambda ledger: ledger.browser.page(
        MessageFilter(campaign="autumn"), limit=FEW
    ),
    "next page of a campaign's messages": lambda ledger: ledger.browser.page(
        MessageFilter(campaign="spring"),
        before=Place(START + timedelta(minutes=6000), FIRST + 6000),
        limit=PAGE,
    ),
    "page of a campaign's messages before": lambda ledger: ledger.browser.page(
        MessageFilter(campaign="spring"),
        after=Place(START + timedelta(minutes=1500), FIRST + 1500),
        limit=PAGE,
    ),
    "page of a campaign's period": lambda ledger: ledger.browser.page(
        MessageFilter(campaign="spring", until=START + timedelta(minutes=6000)), limit=PAGE
    ),
    "page of stuck messages": lambda ledger: ledger.browser.page(
        MessageFilter(stuck_since=START + timedelta(minutes=777)), limit=PAGE
    ),
    "feed of a period": lambda ledger: ledger.feed(
        since=START + timedelta(minutes=MESSAGES - PAGE), receiver=RECEIVER
    ),
}


OF_SENDS: dict[str, SendFilter] = {
    "first page": SendFilter(),
    "next page": SendFilter(before=SendPlace(START + timedelta(minutes=777), FIRST + 777)),
    "of campaign": SendFilter(campaign="spring"),
    "next of campaign": SendFilter(
        campaign="spring", before=SendPlace(START + timedelta(minutes=7900), FIRST + 7900)
    ),
    "far on in a campaign": SendFilter(
        campaign="spring", before=SendPlace(START + timedelta(minutes=6000), FIRST + 6000)
    ),
    "of rare campaign": SendFilter(campaign="autumn"),
    "of unknown campaign": SendFilter(campaign="winter"),
    "unknown": SendFilter(state=SendState.UNKNOWN),
    "of reference": SendFilter(external_reference_id="R77"),
}


@pytest.mark.parametrize("wanted", OF_SENDS.values(), ids=OF_SENDS)
def test_queries_of_sends(full: SQLLedger, wanted: SendFilter) -> None:
    """A page of sends is found without scanning all sends."""
    asked = wanted._replace(receiver=RECEIVER, limit=FEW)
    assert most_rows_read(full, lambda ledger: ledger.send_record.listed(asked)) < ENOUGH


OF_QUARANTINE: dict[str, Callable[[SQLLedger], Any]] = {
    "first page": lambda ledger: ledger.quarantined(limit=PAGE),
    "next page": lambda ledger: ledger.quarantined(
        limit=PAGE, receiver=RECEIVER, before=FIRST + KEPT // 2
    ),
    "oldest first": lambda ledger: ledger.quarantined(limit=PAGE, after=FIRST + KEPT // 2),
    "one": lambda ledger: ledger.quarantined(after=FIRST + 6, before=FIRST + 8, limit=1),
    "body": lambda ledger: ledger.quarantine.body(FIRST + 7),
    "rejections": lambda ledger: ledger.rejections.last(receiver=RECEIVER),
}


@pytest.mark.parametrize("ask", QUERIES.values(), ids=QUERIES)
def test_queries_are_answered_from_indexes(
    full: SQLLedger, ask: Callable[[SQLLedger], Any]
) -> None:
    """Queries of monitors and people use indexes, however many events there are."""
    assert most_rows_read(full, ask) < ENOUGH


@pytest.mark.parametrize("ask", OF_QUARANTINE.values(), ids=OF_QUARANTINE)
def test_queries_of_quarantine(full: SQLLedger, ask: Callable[[SQLLedger], Any]) -> None:
    """A page of the quarantine, or one entry, is found without scanning the rest."""
    assert most_rows_read(full, ask) < KEPT // 2


@pytest.mark.parametrize("full", SERVERS, indirect=True)
@pytest.mark.parametrize("times", [False, True])
def test_report_of_a_large_part(full: SQLLedger, times: bool) -> None:
    """A report of a fifth of all messages goes through no others."""
    since = START + timedelta(minutes=MESSAGES * 4 // 5)
    read = most_rows_read(full, lambda ledger: ledger.engagement(since=since, times=times))
    assert read < MESSAGES // 4


def most_rows_read(full: SQLLedger, ask: Callable[[SQLLedger], Any]) -> int:
    """The most rows that a statement of *ask* goes through."""
    asked: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, ___: Any, is_many: bool) -> None:
        if not statement.startswith("BEGIN"):
            asked.append((statement, parameters[0] if is_many else parameters))

    event.listen(full.engine, "before_cursor_execute", note)
    ask(full)
    event.remove(full.engine, "before_cursor_execute", note)
    assert asked
    return max(rows_read(full.engine, *one) for one in asked)


WRITES_A_ROW = {"handled", "gave_up", "failed_first"}  # and reads none


def test_way_of_an_event(full: SQLLedger) -> None:
    """No statement that handles an event reads more than the rows of its message."""
    database = full.database
    parameters: dict[str, Any] = {
        **dict.fromkeys(("reference", "reference_text", "campaign", "error_code", "error_message")),
        **dict.fromkeys(f"{status}_at" for status in ("queued", "sent", "delivered", "read")),
        **database.times(lease=60, delay=60),
        "failed_at": None,
        "account_id": "1",
        "message_id": "M77",
        "known_status": "SENT",
        "rank": 1,
        "token": "t",
        "message_key": FIRST + 77,
        "event_id": FIRST + 77,
        "timestamp": database.moment(START),
        "receiver": RECEIVER,
        "payload": "{}",
        "headers": "{}",
        "previous_status": "SENT",
        "is_stale": False,
        "attempts": 1,
        "max_attempts": 10,
        "last_error": None,
        "due_at": None,
        "postponed": 0,
        "counts": 1,
        "digest": b"0" * 16,
        "source": "api",
        "estimated": 2,
        "others": 29,
        "handler": "h",
        "outcome": "failed",
        "said": "OSError: no",
        "is_durable": True,
        "handled": '{"h": false}',
    }
    for field in fields(database.statements):
        if field.name not in WRITES_A_ROW:
            statement = getattr(database.statements, field.name)
            status = "READ" if field.name.startswith("insert") else "SENT"
            values = statement.ordered({**parameters, "status": status})
            assert rows_read(full.engine, statement.text, values) < 30, statement.text
