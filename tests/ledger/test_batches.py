from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any

import pytest

from flask_fd_whatsapp.exceptions import LedgerUnavailable
from flask_fd_whatsapp.ledger.sql.batches import MOST, Batches, _Job

from ..concurrency.threads import TIMEOUT
from ..processes.waiting import wait_until

Work = Callable[[Any], Any]


class Transactions:
    """Begins transactions that only note what is done in them."""

    def __init__(self) -> None:
        self.committed: list[list[str]] = []
        self.waited: list[bool] = []
        self.error: Exception | None = None
        self.goes_on = Event()
        self.goes_on.set()
        self.has_begun = Event()

    @contextmanager
    def begin(self, is_durable: bool) -> Iterator[list[str]]:
        self.has_begun.set()
        assert self.goes_on.wait(TIMEOUT)
        written: list[str] = []
        yield written
        if self.error is not None:
            raise self.error
        self.committed.append(written)
        self.waited.append(is_durable)


@pytest.fixture
def transactions() -> Transactions:
    return Transactions()


@pytest.fixture
def batches(transactions: Transactions) -> Batches:
    return Batches(transactions.begin, TIMEOUT)


def write(text: str) -> Work:
    def work(cursor: list[str]) -> str:
        cursor.append(text)
        return text.upper()

    return work


def fail(_: Any) -> None:
    raise ValueError("mine alone")


@contextmanager
def held_up(transactions: Transactions, batches: Batches) -> Iterator[Callable[..., Future[Any]]]:
    """While the first transaction lasts, others put their work down."""
    with ThreadPoolExecutor(2 * MOST) as pool:

        def put_down(*works: Work, is_durable: bool = True) -> list[Future[Any]]:
            jobs, goal = batches._jobs, len(batches._jobs) + len(works)
            futures = [pool.submit(batches.run, work, is_durable=is_durable) for work in works]
            wait_until(lambda: len(jobs) == goal, "all have put down their work")
            return futures

        transactions.goes_on.clear()
        transactions.has_begun.clear()
        first = pool.submit(batches.run, write("first"), is_durable=True)
        assert transactions.has_begun.wait(TIMEOUT)
        try:
            yield put_down
        finally:
            transactions.goes_on.set()
        first.exception(TIMEOUT)


def results(futures: list[Future[Any]]) -> list[Any]:
    return [future.result(TIMEOUT) for future in futures]


def test_alone(transactions: Transactions, batches: Batches) -> None:
    """A single thread's work is committed at once, and gives what it gave."""
    assert batches.run(write("a"), is_durable=False) == "A"
    assert (transactions.committed, transactions.waited) == ([["a"]], [False])


def test_together(transactions: Transactions, batches: Batches) -> None:
    """What several threads put down meanwhile is one transaction, and each gets its own result."""
    with held_up(transactions, batches) as put_down:
        futures = put_down(*map(write, "abc"), is_durable=False)
        futures += put_down(write("d"))
    assert results(futures) == ["A", "B", "C", "D"]
    assert [sorted(written) for written in transactions.committed] == [["first"], [*"abcd"]]
    assert transactions.waited == [True, True]


def test_many(transactions: Transactions, batches: Batches) -> None:
    """However many threads wait, a batch has its bound, and none goes without."""
    texts = [str(number) for number in range(2 * MOST - 2)]
    with held_up(transactions, batches) as put_down:
        futures = put_down(*map(write, texts))
    assert results(futures) == texts
    assert [len(written) for written in transactions.committed] == [1, MOST, MOST - 2]


def test_last_in_line(transactions: Transactions, batches: Batches) -> None:
    """Whose turn it is goes on until its own work is done, however much is put down before."""
    batches._jobs.extend(_Job(write("before"), is_durable=True) for _ in range(MOST))
    assert batches.run(write("own"), is_durable=True) == "OWN"
    assert transactions.committed == [["before"] * MOST, ["own"]]


def test_one_fails(transactions: Transactions, batches: Batches) -> None:
    """Work that fails fails its own thread alone; the others' is done without it."""
    with held_up(transactions, batches) as put_down:
        (failed,) = put_down(fail)
        others = put_down(*map(write, "ab"))
    assert results(others) == ["A", "B"]
    assert str(failed.exception(TIMEOUT)) == "mine alone"
    assert [sorted(written) for written in transactions.committed] == [["first"], ["a", "b"]]


def test_not_committed(transactions: Transactions, batches: Batches) -> None:
    """A transaction that cannot be committed fails for all in it, and the next is a new one."""
    with held_up(transactions, batches) as put_down:
        futures = put_down(*map(write, "ab"))
        transactions.error = LedgerUnavailable("the disk is full")
    for future in futures:
        assert isinstance(future.exception(TIMEOUT), LedgerUnavailable)
        assert str(future.exception()) == "the disk is full"
    transactions.error = None
    assert batches.run(write("c"), is_durable=True) == "C"
    assert transactions.committed == [["c"]]


def test_waits_so_long(transactions: Transactions) -> None:
    """A thread that waits too long gives up, and its work is not done after that."""
    batches = Batches(transactions.begin, 0.01)
    with held_up(transactions, batches), pytest.raises(LedgerUnavailable, match=r"0\.01 seconds"):
        batches.run(write("late"), is_durable=True)
    assert batches.run(write("next"), is_durable=True) == "NEXT"
    assert transactions.committed == [["first"], ["next"]]


def test_process_ends(transactions: Transactions, batches: Batches) -> None:
    """A process that is told to end in the middle leaves nobody waiting."""

    def leave(_: Any) -> None:
        raise SystemExit

    with held_up(transactions, batches) as put_down:
        futures = [*put_down(fail), *put_down(write("a")), *put_down(leave), *put_down(write("b"))]
    errors = Counter(type(future.exception(TIMEOUT)) for future in futures)
    assert errors[SystemExit] == 1  # in the thread that did the others' work
    assert errors[LedgerUnavailable] >= 2
    assert batches.run(write("a"), is_durable=True) == "A"


def test_in_sqlite(tmp_path: Any) -> None:
    """With a real database, what failed has left nothing behind."""
    database = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    database.execute("CREATE TABLE t (x UNIQUE)")

    @contextmanager
    def begin(_: bool) -> Iterator[sqlite3.Connection]:
        database.execute("BEGIN")
        try:
            yield database
        except BaseException:
            database.rollback()
            raise
        database.commit()

    batches = Batches(begin, TIMEOUT)

    def twice(connection: sqlite3.Connection) -> None:
        for _ in range(2):
            connection.execute("INSERT INTO t VALUES (1)")

    with pytest.raises(sqlite3.IntegrityError):
        batches.run(twice, is_durable=True)
    assert database.execute("SELECT * FROM t").fetchall() == []
    database.close()
