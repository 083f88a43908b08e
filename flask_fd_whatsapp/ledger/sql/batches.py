"""Short writes of several threads, committed together.

A SQLite file takes one writer at a time, and a commit that waits for the disk takes longer than
what it commits.  Whose turn it is does what all have put down by then, and commits once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from threading import Lock
from typing import Any, Final, TypeVar, cast

from ...exceptions import LedgerUnavailable

T = TypeVar("T")

MOST: Final = 32
"""Jobs in a batch."""


class _Job:
    """What one thread wants written, and what came of it."""

    def __init__(self, work: Callable[[Any], Any], *, is_durable: bool) -> None:
        self.work = work
        self.is_durable = is_durable
        self.is_done = False
        self.value: Any = None
        self.error: BaseException | None = None

    def end(self, value: Any = None, error: BaseException | None = None) -> None:
        self.value, self.error, self.is_done = value, error, True


class Batches:
    """Does the work of several threads in one transaction.

    :param begin: makes a transaction, given whether it has to outlive a power cut.
    :param seconds: how long a thread waits until its work is begun.
    """

    def __init__(
        self, begin: Callable[[bool], AbstractContextManager[Any]], seconds: float
    ) -> None:
        self._begin = begin
        self._seconds = seconds
        self.leave()

    def leave(self) -> None:
        """In a forked process: what is put down is for its parent to do."""
        self._jobs: deque[_Job] = deque()
        self._turn = Lock()

    def run(self, work: Callable[[Any], T], *, is_durable: bool) -> T:
        """Do *work*, given a cursor, and commit; it has to be such as can be done again.

        :raises LedgerUnavailable: if the database refuses the transaction, for all in it; what
            *work* raises is raised to its own thread alone.
        """
        job = _Job(work, is_durable=is_durable)
        self._jobs.append(job)
        self._wait_for_turn(job)
        try:
            while not job.is_done:
                self._do(self._batch())
        finally:
            self._turn.release()
        if job.error is not None:
            raise job.error
        return cast(T, job.value)

    def _wait_for_turn(self, job: _Job) -> None:
        try:
            if self._turn.acquire(timeout=self._seconds):
                return
            self._jobs.remove(job)
        except ValueError:
            self._turn.acquire()  # it is being done just now
        except BaseException:
            job.work = _nothing
            raise
        else:
            raise LedgerUnavailable(
                f"Others have been writing to the database for {self._seconds} seconds."
            )

    def _batch(self) -> list[_Job]:
        return [self._jobs.popleft() for _ in range(min(len(self._jobs), MOST))]

    def _do(self, jobs: list[_Job]) -> None:
        try:
            while jobs:
                jobs = self._try(jobs)
        except BaseException:
            for job in jobs:
                job.end(error=LedgerUnavailable("The process is ending."))
            raise

    def _try(self, jobs: list[_Job]) -> list[_Job]:
        """Commit them; if one fails, give the others, which are to be done again without it."""
        at: _Job | None = None
        values = []
        try:
            with self._begin(any(job.is_durable for job in jobs)) as cursor:
                for at in jobs:
                    values.append(at.work(cursor))
                at = None
        except Exception as error:
            if at is not None:
                at.end(error=error)
                return [job for job in jobs if job is not at]
            for job in jobs:
                job.end(error=error if len(jobs) == 1 else LedgerUnavailable(*error.args))
            return []
        for job, value in zip(jobs, values, strict=True):
            job.end(value)
        return []


def _nothing(_: object) -> None:
    """The work of a thread that was interrupted as it waited."""
