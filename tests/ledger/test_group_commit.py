from __future__ import annotations

import itertools
import signal
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from threading import Semaphore
from typing import Any, NoReturn

import pytest

from flask_fd_whatsapp.exceptions import LedgerUnavailable
from flask_fd_whatsapp.ledger.sql.dialects import group_commit as batches_module
from flask_fd_whatsapp.ledger.sql.dialects import writer_lock as turn_module
from flask_fd_whatsapp.ledger.sql.dialects.group_commit import MOST, Batches
from flask_fd_whatsapp.ledger.sql.dialects.writer_lock import Turn

from ..concurrency.threads import TIMEOUT
from ..processes.waiting import wait_until
from .interruptions import interrupted

Work = Callable[[Any], Any]


ALL = Semaphore(10**6)


class Transactions:
    """Begins transactions that only note what is done in them.

    Each commits when it gets hold of :attr:`goes_on`.
    """

    def __init__(self) -> None:
        self.committed: list[list[str]] = []
        self.waited: list[bool] = []
        self.error: Exception | None = None
        self.begun = 0
        self.goes_on = ALL

    @contextmanager
    def begin(self, is_durable: bool) -> Generator[list[str]]:
        written: list[str] = []
        yield written
        self.begun += 1
        assert self.goes_on.acquire(timeout=TIMEOUT)
        if self.error is not None:
            raise self.error
        self.committed.append(written)
        self.waited.append(is_durable)


@pytest.fixture
def transactions() -> Transactions:
    return Transactions()


@pytest.fixture
def batches(transactions: Transactions) -> Batches:
    return Batches(Turn(None, TIMEOUT), transactions.begin, TIMEOUT)


def write(text: str) -> Work:
    def work(cursor: list[str]) -> str:
        cursor.append(text)
        return text.upper()

    return work


def fail(_: Any) -> None:
    raise ValueError("mine alone")


@contextmanager
def held_up(transactions: Transactions, batches: Batches) -> Generator[Callable[..., Future[Any]]]:
    """While the first transaction lasts, others queue their work."""
    with ThreadPoolExecutor(2 * MOST) as pool:

        def put_down(*works: Work, is_durable: bool = True) -> list[Future[Any]]:
            jobs, goal = batches._jobs, len(batches._jobs) + len(works)
            futures = [pool.submit(batches.run, work, is_durable=is_durable) for work in works]
            wait_until(lambda: len(jobs) == goal, "all have put down their work")
            return futures

        transactions.goes_on = held = Semaphore(0)
        first = pool.submit(batches.run, write("first"), is_durable=True)
        wait_until(lambda: transactions.begun == 1, "the first has begun")
        try:
            yield put_down
        finally:
            transactions.goes_on = ALL
            held.release(2 * MOST)
        first.exception(TIMEOUT)


def results(futures: list[Future[Any]]) -> list[Any]:
    return [future.result(TIMEOUT) for future in futures]


def test_single_threads_work_is_committed_at_once(
    transactions: Transactions, batches: Batches
) -> None:
    """A single thread's work is committed at once, and returns its result."""
    assert batches.run(write("a"), is_durable=False) == "A"
    assert (transactions.committed, transactions.waited) == ([["a"]], [False])


def test_threads_share_a_transaction(transactions: Transactions, batches: Batches) -> None:
    """Work queued meanwhile is one transaction, and each thread gets its own result."""
    with held_up(transactions, batches) as put_down:
        futures = put_down(*map(write, "abc"), is_durable=False)
        futures += put_down(write("d"))
    assert results(futures) == ["A", "B", "C", "D"]
    assert [sorted(written) for written in transactions.committed] == [["first"], [*"abcd"]]
    assert transactions.waited == [True, True]


def test_batch_has_its_bound(transactions: Transactions, batches: Batches) -> None:
    """A batch is bounded however many threads wait, and all of them are served."""
    texts = [str(number) for number in range(2 * MOST - 2)]
    with held_up(transactions, batches) as put_down:
        futures = put_down(*map(write, texts))
    assert results(futures) == texts
    assert [len(written) for written in transactions.committed] == [1, MOST, MOST - 2]


def test_goes_on_when_done(transactions: Transactions, batches: Batches) -> None:
    """A thread continues as soon as its work is committed, while others are still writing."""
    with held_up(transactions, batches) as put_down:
        done = put_down(*[write("a")] * MOST)
        (waiting,) = put_down(write("b"))
        transactions.goes_on.release(2)
        assert results(done) == ["A"] * MOST
        wait_until(lambda: transactions.begun == 3, "the last has begun")
        assert not waiting.done()
    assert waiting.result(TIMEOUT) == "B"


def test_while_waiting_for_the_turn(transactions: Transactions) -> None:
    """Work queued while another process is writing is committed with the first waiter's."""
    turn = Turn(None, TIMEOUT)
    batches = Batches(turn, transactions.begin, TIMEOUT)
    with ThreadPoolExecutor() as pool:
        with turn:
            futures = [pool.submit(batches.run, write(text), is_durable=True) for text in "abc"]
            wait_until(lambda: len(batches._jobs) == 3, "all have put down their work")
        assert results(futures) == ["A", "B", "C"]
    assert [sorted(written) for written in transactions.committed] == [["a", "b", "c"]]


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="There is no such signal here.")
def test_interrupted_thread_takes_its_work_back(
    transactions: Transactions, batches: Batches
) -> None:
    """A thread interrupted while waiting withdraws its work, and delays nobody."""

    def interrupt(_number: int, _frame: object) -> NoReturn:
        raise KeyboardInterrupt

    def interrupt_waiting() -> None:
        wait_until(lambda: len(batches._jobs) == 1, "the interrupted waits")
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with held_up(transactions, batches) as put_down, ThreadPoolExecutor() as pool:
            interrupting = pool.submit(interrupt_waiting)
            with pytest.raises(KeyboardInterrupt):
                batches.run(write("interrupted"), is_durable=True)
            interrupting.result(TIMEOUT)
            others = put_down(*map(write, "ab"))
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert results(others) == ["A", "B"]
    assert [sorted(written) for written in transactions.committed] == [["first"], ["a", "b"]]


class PutDownMeanwhile(Turn):
    """A turn that is granted once others have queued their work."""

    def __init__(self, pool: ThreadPoolExecutor, *, is_free: bool = True) -> None:
        super().__init__(None, TIMEOUT)
        self.pool = pool
        self.is_free = is_free
        self.batches: Batches
        self.others: dict[str, Future[Any]] = {}

    def __enter__(self) -> None:
        if not self.others:
            run = self.batches.run
            self.others = {x: self.pool.submit(run, write(x), is_durable=True) for x in "abc"}
            wait_until(lambda: len(self.batches._jobs) == 4, "all have put down their work")
        if not self.is_free:
            raise LedgerUnavailable("somebody is writing")
        super().__enter__()


def test_all_who_wait_get_the_error_if_no_turn_can_be_had(transactions: Transactions) -> None:
    """If no turn can be had, all waiters get the error, and the next one may retry."""
    with ThreadPoolExecutor() as pool:
        turn = PutDownMeanwhile(pool, is_free=False)
        turn.batches = batches = Batches(turn, transactions.begin, TIMEOUT)
        with pytest.raises(LedgerUnavailable, match="somebody is writing"):
            batches.run(write("leader"), is_durable=True)
        for other in turn.others.values():
            assert str(other.exception(TIMEOUT)) == "somebody is writing"
    turn.is_free = True
    assert batches.run(write("after"), is_durable=True) == "AFTER"
    assert transactions.committed == [["after"]]


def test_leader_interrupted_anywhere_holds_up_nobody() -> None:
    """Wherever a leader is interrupted, nobody keeps waiting, and all reported work is done exactly
    once.
    """
    for at in itertools.count(1):
        transactions = Transactions()
        with ThreadPoolExecutor() as pool:
            turn = PutDownMeanwhile(pool)
            turn.batches = batches = Batches(turn, transactions.begin, TIMEOUT)
            with (
                interrupted(at, batches_module, turn_module) as places,
                suppress(KeyboardInterrupt),
            ):
                batches.run(write("leader"), is_durable=True)
            told = {x: other.exception(TIMEOUT) for x, other in turn.others.items()}
            assert batches.run(write("after"), is_durable=True) == "AFTER", places
        committed = Counter(itertools.chain(*transactions.committed))
        assert set(committed.values()) == {1}, places
        for text, error in told.items():
            assert error is None or isinstance(error, LedgerUnavailable), places
            assert error is not None or text in committed, places
        if not places:
            break


def test_failing_work_fails_only_its_own_thread(
    transactions: Transactions, batches: Batches
) -> None:
    """Failing work fails only its own thread; the others' is done without it."""
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
    """A thread that waits too long gets an error, and its work is not done later."""
    batches = Batches(Turn(None, TIMEOUT), transactions.begin, 0.01)
    with held_up(transactions, batches), pytest.raises(LedgerUnavailable, match=r"0\.01 seconds"):
        batches.run(write("late"), is_durable=True)
    assert batches.run(write("next"), is_durable=True) == "NEXT"
    assert transactions.committed == [["first"], ["next"]]


def test_a_process_asked_to_exit_leaves_nobody_waiting(
    transactions: Transactions, batches: Batches
) -> None:
    """A process asked to exit in the middle leaves nobody waiting."""

    def leave(_: Any) -> None:
        raise SystemExit

    with held_up(transactions, batches) as put_down:
        futures = [*put_down(fail), *put_down(write("a")), *put_down(leave), *put_down(write("b"))]
    errors = Counter(type(future.exception(TIMEOUT)) for future in futures)
    assert errors[SystemExit] == 1  # in the thread that did the others' work
    assert errors[LedgerUnavailable] >= 2
    assert batches.run(write("a"), is_durable=True) == "A"


def test_failed_work_leaves_nothing_in_a_database(tmp_path: Any) -> None:
    """With a real database, failed work leaves nothing behind."""
    database = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    database.execute("CREATE TABLE t (x UNIQUE)")

    @contextmanager
    def begin(_: bool) -> Generator[sqlite3.Connection]:
        database.execute("BEGIN")
        try:
            yield database
        except BaseException:
            database.rollback()
            raise
        database.commit()

    batches = Batches(Turn(None, TIMEOUT), begin, TIMEOUT)

    def twice(connection: sqlite3.Connection) -> None:
        for _ in range(2):
            connection.execute("INSERT INTO t VALUES (1)")

    with pytest.raises(sqlite3.IntegrityError):
        batches.run(twice, is_durable=True)
    assert database.execute("SELECT * FROM t").fetchall() == []
    database.close()
