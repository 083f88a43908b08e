"""Short writes of several threads, committed together.

A SQLite file takes one writer at a time, and a commit that waits for the disk takes longer than
what it commits.  One of the threads that want to write, the leader, does all jobs queued by the
time it may write, commits once, and leaves later ones to the next leader.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from itertools import islice
from typing import Any, Final, TypeVar, cast

from ....exceptions import LedgerUnavailable
from .writer_lock import Turn

T = TypeVar("T")

MOST: Final = 32
"""Jobs in a batch."""


class _Job:
    """What one thread wants written, and the outcome.

    :ivar batch: the jobs that its thread has begun, others' included, if it leads.
    """

    __slots__ = ("_sleeps", "batch", "error", "is_done", "is_durable", "value", "work")

    def __init__(self, work: Callable[[Any], Any], *, is_durable: bool) -> None:
        self.work = work
        self.is_durable = is_durable
        self.is_done = False
        self.value: Any = None
        self.error: BaseException | None = None
        self.batch: list[_Job] = []
        self._sleeps: Any = None

    def end(self, value: Any = None, error: BaseException | None = None) -> None:
        """Store the outcome; its thread still has to be woken."""
        self.value, self.error, self.is_done = value, error, True

    def will_sleep(self) -> None:
        """Prepare a thread that does not lead, before its job is queued."""
        self._sleeps = threading.Lock()
        self._sleeps.acquire()

    def sleep(self, seconds: float) -> bool:
        """Wait; return whether its thread was woken in time."""
        return bool(self._sleeps.acquire(timeout=seconds))

    def wake(self) -> None:
        """Wake its thread; only one caller at a time."""
        if self._sleeps is not None and self._sleeps.locked():
            self._sleeps.release()


class Batches:
    """Does the work of several threads in one transaction.

    A signal may interrupt a thread anywhere: it releases what it holds, and leaves nobody waiting.

    :param turn: held while writing.
    :param begin: begins a transaction, given whether it has to survive a power cut.
    :param seconds: how long a thread waits for its work to begin.
    """

    def __init__(
        self,
        turn: Turn,
        begin: Callable[[bool], AbstractContextManager[Any]],
        seconds: float,
    ) -> None:
        self._turn = turn
        self._begin = begin
        self._seconds = seconds
        self.leave()

    def leave(self) -> None:
        """In a forked process: leave queued jobs to its parent."""
        self._jobs: deque[_Job] = deque()
        self._leader: _Job | None = None
        self._lock = threading.Lock()

    def run(self, work: Callable[[Any], T], *, is_durable: bool) -> T:
        """Do *work* with a cursor, and commit; it has to be idempotent.

        :raises LedgerUnavailable: if the database refuses the transaction, for all in it; what
            *work* raises is raised only in its own thread.
        """
        job = _Job(work, is_durable=is_durable)
        try:
            with self._lock:
                if self._leader is None:
                    self._leader = job
                else:
                    job.will_sleep()
                self._jobs.append(job)
            if self._leader is not job:
                self._wait(job)
            if not job.is_done:
                self._lead(job)
        except BaseException:
            self._turn.give_back()
            raise
        finally:
            if self._leader is job or not job.is_done:
                try:
                    self._give_back(job)
                except BaseException:
                    self._give_back(job)
                    raise
        if job.error is not None:
            raise job.error
        return cast(T, job.value)

    def _wait(self, job: _Job) -> None:
        """Wait until it is done, or has to lead."""
        while True:
            is_woken = job.sleep(self._seconds)
            with self._lock:
                if job.is_done or self._leader is job:
                    return
                if not is_woken and job in self._jobs:
                    self._jobs.remove(job)
                    break
        raise LedgerUnavailable(
            f"Others have been writing to the database for {self._seconds} seconds."
        )

    def _lead(self, job: _Job) -> None:
        """Do the queued jobs, the leader's own first."""
        try:
            with self._turn:
                again = self._try(job)
                while again:
                    again = self._try(job, again)
        except LedgerUnavailable as error:  # no lock, and the others have waited as long
            for other in job.batch or self._take(job, is_durable=True):
                if not other.is_done:
                    other.end(error=LedgerUnavailable(*error.args))

    def _take(self, job: _Job, *, is_durable: bool) -> list[_Job]:
        """Take the jobs of the leader's transaction.

        :param is_durable: it waits for the disk; else it takes no job that has to.
        """
        jobs, batch = self._jobs, job.batch
        with self._lock:
            while jobs and len(batch) < MOST and (is_durable or not jobs[0].is_durable):
                batch.append(jobs[0])  # before removing it: a signal may come in between
                jobs.popleft()
        return batch

    def _has_durable(self) -> bool:
        with self._lock:
            return any(job.is_durable for job in islice(self._jobs, MOST))

    def _give_back(self, job: _Job) -> None:
        """Leave nothing pending that others wait for; idempotent."""
        with self._lock:
            for other in job.batch:
                if not other.is_done:
                    other.end(error=LedgerUnavailable("The thread that wrote was interrupted."))
                other.wake()
            if not job.is_done and job in self._jobs:
                self._jobs.remove(job)
            while self._jobs and self._jobs[0].is_done:
                self._jobs.popleft()  # their leader was interrupted while taking them
            if self._leader is job:
                following = self._jobs[0] if self._jobs else None
                if following is not None:
                    following.wake()
                self._leader = following
            job.batch = []  # breaks a reference cycle: it contains the job itself

    def _try(self, leader: _Job, again: list[_Job] | None = None) -> list[_Job]:
        """Commit jobs; if one fails, return the others, to be retried without it.

        :param again: the jobs; ``None`` for those queued by the time the transaction begins,
            which may have to wait for other processes.
        :raises LedgerUnavailable: if no transaction can be begun.
        """
        at: _Job | None = None
        jobs = again or []
        values = []
        is_durable = any(job.is_durable for job in again) if again else self._has_durable()
        try:
            with self._begin(is_durable) as cursor:
                jobs = again or self._take(leader, is_durable=is_durable)
                for at in jobs:
                    values.append(at.work(cursor))
                at = None
        except Exception as error:
            if not jobs:
                raise
            if at is not None:
                at.end(error=error)
                return [job for job in jobs if job is not at]
            for job in jobs:
                job.end(error=error if len(jobs) == 1 else LedgerUnavailable(*error.args))
            return []
        for job, value in zip(jobs, values, strict=True):
            job.end(value)
        return []
