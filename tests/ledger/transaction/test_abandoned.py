"""A handler that is taken to hang in a statement, which then ends after all."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event

from flask_fd_whatsapp.handling.watchdog import watchdog
from flask_fd_whatsapp.ledger import Claim, State, Tried
from flask_fd_whatsapp.ledger.sql import SQLLedger

from ...answers import assert_problem, assert_result
from ..entries import claimed
from .rows import Deliver, note, successes
from .test_threads import SLOW, WAIT_SECONDS

HANGS = Tried(failed={"handler 0": "TimeoutError: it hangs"})


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


def abandon() -> State | None:
    (attempt,) = watchdog.running()
    return attempt.claim.abandon(HANGS)


def test_during_a_statement(
    sql_ledger: SQLLedger,
    deliver: Deliver,
    connect: Any,
    rows: Any,
    pool: ThreadPoolExecutor,
    engine: Engine,
) -> None:
    """The handler's thread records no success once its writes are rolled back."""
    abandoned: list[Future[State | None]] = []

    def slow(connection: Connection) -> None:
        note(connection, "lost")
        event.listen(
            connection,
            "before_cursor_execute",
            lambda *_: abandoned.append(pool.submit(abandon)),
            once=True,
        )
        connection.exec_driver_sql(SLOW[connection.dialect.name])

    connect(slow)
    assert_problem(deliver(), 503, "5")
    assert abandoned[0].result(WAIT_SECONDS) is State.PENDING
    assert (rows(), successes(engine)) == ([], [])
    (found,) = sql_ledger.events(limit=1)
    assert (found.state, found.attempts) == (State.PENDING, 1)
    assert found.last_error == "handler 0: TimeoutError: it hangs"
    assert sql_ledger.overview.being_handled() == []


def test_before_a_statement(
    deliver: Deliver, connect: Any, rows: Any, pool: ThreadPoolExecutor, engine: Engine
) -> None:
    """Nor does it write any more when it goes on between two statements."""

    def goes_on(connection: Connection) -> None:
        note(connection, "lost")
        assert pool.submit(abandon).result(WAIT_SECONDS) is State.PENDING
        note(connection, "late")

    connect(goes_on)
    assert_problem(deliver(), 503, "5")
    assert (rows(), successes(engine)) == ([], [])


def test_while_it_is_rolled_back(sql_ledger: SQLLedger, rows: Any) -> None:
    """The handler's thread may roll back at the same time: one connection is used by one."""
    for number in range(20):
        _, claim = claimed(sql_ledger, message_id=f"M{number}")
        note(claim.transaction.connection, "lost")
        both = Barrier(2, timeout=WAIT_SECONDS)

        def undo(claim: Claim = claim, both: Barrier = both) -> None:
            both.wait()
            claim.undo()

        with ThreadPoolExecutor(1) as pool:
            undone = pool.submit(undo)
            both.wait()
            assert claim.abandon(HANGS) is State.PENDING
            undone.result(WAIT_SECONDS)
    assert rows() == []


@pytest.mark.parametrize("others", [0, 1])
def test_during_its_commit(
    deliver: Deliver,
    connect: Any,
    rows: Any,
    pool: ThreadPoolExecutor,
    engine: Engine,
    others: int,
) -> None:
    """A handler whose writes and success are being committed has not hung."""
    abandoned: list[Future[State | None]] = []

    def ends(connection: Connection) -> None:
        note(connection, "kept")
        event.listen(
            connection, "commit", lambda _: abandoned.append(pool.submit(abandon)), once=True
        )

    def next_one(connection: Connection) -> None:
        assert abandoned[0].result(WAIT_SECONDS) is None

    connect(ends, *[next_one] * others)
    assert_result(deliver(), "accepted")
    assert abandoned[0].result(WAIT_SECONDS) is None
    assert rows() == ["kept"]
    assert successes(engine)[0] == "handler 0"
