"""Short writes of several threads, committed together.

A SQLite file takes one writer at a time, and a commit that waits for the disk takes longer than
what it commits.  One of the threads that want to write does what all have put down by the time
it may, commits once, and leaves what has come since to the next.
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
    """What one thread wants written, and what came of it.

    :ivar wakes: held until the job is done, or its thread has to lead.
    """

    __slots__ = ("error", "is_done", "is_durable", "leads", "value", "wakes", "work")

    def __init__(self, work: Callable[[Any], Any], *, is_durable: bool) -> None:
        self.work = work
        self.is_durable = is_durable
        self.is_done = self.leads = False
        self.value: Any = None
        self.error: BaseException | None = None
        self.wakes = Lock()
        self.wakes.acquire()

    def end(self, value: Any = None, error: BaseException | None = None) -> None:
        """Note what came of it; its thread is still to be woken."""
        self.value, self.error, self.is_done = value, error, True


class Batches:
    """Does the work of several threads in one transaction.

    :param turn: held while one writes; it raises :class:`LedgerUnavailable` if that cannot be.
    :param begin: makes a transaction, given whether it has to outlive a power cut.
    :param seconds: how long a thread waits until its work is begun.
    """

    def __init__(
        self,
        turn: AbstractContextManager[Any],
        begin: Callable[[bool], AbstractContextManager[Any]],
        seconds: float,
    ) -> None:
        self._turn = turn
        self._begin = begin
        self._seconds = seconds
        self.leave()

    def leave(self) -> None:
        """In a forked process: what is put down is for its parent to do."""
        self._jobs: deque[_Job] = deque()
        self._has_leader = False
        self._lock = Lock()

    def run(self, work: Callable[[Any], T], *, is_durable: bool) -> T:
        """Do *work*, given a cursor, and commit; it has to be such as can be done again.

        :raises LedgerUnavailable: if the database refuses the transaction, for all in it; what
            *work* raises is raised to its own thread alone.
        """
        job = _Job(work, is_durable=is_durable)
        with self._lock:
            self._jobs.append(job)
            job.leads, self._has_leader = not self._has_leader, True
        if not job.leads:
            self._wait(job)
        if not job.is_done:
            self._lead()
        if job.error is not None:
            raise job.error
        return cast(T, job.value)

    def _wait(self, job: _Job) -> None:
        """Until it is done, or has to lead."""
        try:
            if job.wakes.acquire(timeout=self._seconds):
                return
        except BaseException:
            with self._lock:
                if job in self._jobs:
                    self._jobs.remove(job)
            if job.leads:
                self._pass_on()
            raise
        with self._lock:
            is_begun = job.leads or job not in self._jobs
            if not is_begun:
                self._jobs.remove(job)
        if not is_begun:
            raise LedgerUnavailable(
                f"Others have been writing to the database for {self._seconds} seconds."
            )
        job.wakes.acquire()

    def _lead(self) -> None:
        """Do what has been put down, the leader's own first."""
        jobs: list[_Job] = []
        try:
            with self._turn:
                jobs = self._take()  # with what came while waiting for the turn
                self._do(jobs)
        except BaseException as error:
            is_ours = isinstance(error, LedgerUnavailable)
            jobs = jobs or self._take()
            for job in jobs:
                if not job.is_done:
                    told = error.args if is_ours else ("The process is ending.",)
                    job.end(error=LedgerUnavailable(*told))
            if not is_ours:
                raise
        finally:
            self._pass_on()
            for job in jobs:
                job.wakes.release()

    def _take(self) -> list[_Job]:
        with self._lock:
            return [self._jobs.popleft() for _ in range(min(len(self._jobs), MOST))]

    def _pass_on(self) -> None:
        """Let the one lead who has waited longest."""
        with self._lock:
            following = self._jobs[0] if self._jobs else None
            if following is None:
                self._has_leader = False
            else:
                following.leads = True
        if following is not None:
            following.wakes.release()

    def _do(self, jobs: list[_Job]) -> None:
        while jobs:
            jobs = self._try(jobs)

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
