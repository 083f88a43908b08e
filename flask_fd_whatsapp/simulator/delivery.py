"""Posts events when they are due, several at once, and retries them."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from .clock import Clock
from .posts import Post


class Delivery:
    """The queue of posts, and the threads that process it.

    The events of a message are posted one after the other, each when it is due and the one
    before has been attempted, unless it is to be posted at once.

    :param attempt: posts once; returns when to try again, or ``None``.
    :param concurrency: how many are posted at once.
    :param rate: the maximum number of posts per real second, ``None`` for no limit.
    """

    def __init__(
        self,
        clock: Clock,
        attempt: Callable[[Post], int | None],
        *,
        concurrency: int,
        rate: float | None,
    ) -> None:
        if concurrency < 1 or (rate is not None and not rate > 0):
            raise ValueError("concurrency is 1 or more, and rate more than 0.")
        self._clock = clock
        self._attempt = attempt
        self._concurrency = concurrency
        self._pause = 1 / rate if rate else 0
        self._changed = threading.Condition()
        self._number = itertools.count()
        self._due: list[tuple[int, int, Post]] = []
        self._parked: dict[str, deque[Post]] = {}
        self._in_flight = 0
        self._next_slot = 0.0
        self._error: BaseException | None = None
        self._is_stopped = False

    def add(self, post: Post, due: int | None = None) -> None:
        """Post it when it is due."""
        with self._changed:
            when = post.due if due is None else due
            heapq.heappush(self._due, (when, next(self._number), post))
            self._changed.notify_all()

    def stop(self) -> None:
        """Start no further post."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()

    def run(self, *, forever: bool = False) -> None:
        """Post until nothing is left, or until stopped.

        When interrupted, it ends once the posts in flight have been answered.
        """
        self._clock.start()
        try:
            with ThreadPoolExecutor(self._concurrency, "freshdesk") as pool:
                try:
                    while (post := self._take(forever)) is not None:
                        pool.submit(self._work, post)
                finally:
                    self.stop()
        finally:
            self.rearm()
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def rearm(self) -> None:
        """Get ready for another run, wherever the last one was interrupted."""
        with self._changed:
            self._is_stopped = False
            self._in_flight = 0
            parked = [post for posts in self._parked.values() for post in posts]
            self._parked.clear()
        for post in parked:
            self.add(post)

    def _take(self, forever: bool) -> Post | None:
        """Wait for the next post that is due; ``None`` at the end."""
        with self._changed:
            while not self._is_stopped:
                if not self._due and not self._in_flight and not forever:
                    return None
                if not self._due or self._in_flight >= self._concurrency:
                    self._changed.wait()
                    continue
                wait = self._clock.seconds_until(self._due[0][0])
                wait = max(wait, self._next_slot - time.monotonic())
                if wait > 0:
                    self._changed.wait(min(wait, threading.TIMEOUT_MAX))
                    continue
                post = heapq.heappop(self._due)[2]
                if self._may_go(post):
                    self._next_slot = time.monotonic() + self._pause
                    self._in_flight += 1
                    return post
            return None

    def _may_go(self, post: Post) -> bool:
        """Whether it may be posted now; otherwise it waits for the one before."""
        if not _has_to_wait(post):
            return True
        if post.message_id in self._parked:
            self._parked[post.message_id].append(post)
            return False
        self._parked[post.message_id] = deque()
        return True

    def _work(self, post: Post) -> None:
        others_wait = _has_to_wait(post)
        try:
            due = self._attempt(post)
            if due is not None:
                self.add(post, due)
        except BaseException as error:
            self._error = self._error or error
            self.stop()
        finally:
            with self._changed:
                self._in_flight -= 1
                if others_wait:
                    for parked in self._parked.pop(post.message_id):
                        heapq.heappush(self._due, (parked.due, next(self._number), parked))
                self._changed.notify_all()


def _has_to_wait(post: Post) -> bool:
    """Whether it is posted after the earlier ones of its message."""
    return not post.at_once and not post.tries
