"""What a ledger records about requests besides events: the last rejections, and token use."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from threading import Lock
from typing import Final

from ..ledger import Ledger, Rejection, TokenUse
from ..ledger.records import name_of_account
from ..per_process import PerProcess
from .write_behind import WriteBehind

INTERVAL_SECONDS: Final = 0.5
"""How often a process writes each kind at most: ``status`` shows a rejection within a second."""

WAIT_SECONDS: Final = 0.05
"""The longest an answer waits, which is more than a healthy ledger needs."""

FIRST_WAIT_SECONDS: Final = 2.0
"""The same for a process's first write, which opens the ledger and may have to create it."""


class _Counts:
    """The counts of each kind that are not written yet, and when the first of each occurred."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: dict[Hashable, tuple[int, datetime]] = {}

    def add(self, kind: Hashable, count: int, first_seen: datetime) -> None:
        with self._lock:
            before, since = self._counts.get(kind, (0, first_seen))
            self._counts[kind] = before + count, min(since, first_seen)

    def take(self, kind: Hashable) -> tuple[int, datetime]:
        with self._lock:
            return self._counts.pop(kind, (0, datetime.now(UTC)))


class Notes:
    """Records rejections and token use of one receiver's requests, in the background.

    :param name: the receiver's name.
    :param ledger: returns its ledger; may raise.
    """

    def __init__(self, name: str, ledger: Callable[[], Ledger]) -> None:
        self._name = name
        self._ledger = ledger
        self._writes = WriteBehind(INTERVAL_SECONDS, receiver=name, what="rejections and token use")
        self._wait = FIRST_WAIT_SECONDS
        self._unwritten = PerProcess(_Counts)

    def rejection(self, rejection: Rejection, *, waits: bool = True) -> None:
        """Record it as the last of its reason; those without any header are separate.

        :param waits: whether the answer may briefly wait for the write.
        """
        wait = 0.0
        if waits:
            wait, self._wait = self._wait, WAIT_SECONDS
        kind = (rejection.receiver, rejection.reason, rejection.has_no_header)
        unwritten = self._unwritten.get()
        unwritten.add(kind, 1, rejection.last_seen)

        def note(ledger: Ledger) -> None:
            count, first_seen = unwritten.take(kind)
            if not count:
                return  # a later write has included it
            try:
                ledger.rejections.note(replace(rejection, count=count, first_seen=first_seen))
            except BaseException:
                unwritten.add(kind, count, first_seen)
                raise

        self._put(kind, note, wait=wait)

    def token_use(self, header: str, position: int, *, account: str | None = None) -> None:
        """Record when a header's entry at *position*, from 1, last let a request in.

        :param account: the account's key, if there are many. The answer then waits for the write,
            from which commands learn of the account.
        """
        name = self._name if account is None else name_of_account(self._name, account)
        use = TokenUse(receiver=name, header=header, position=position, last_used=datetime.now(UTC))
        self._put(
            (name, header, position),
            lambda ledger: ledger.token_uses.note(use),
            wait=0 if account is None else FIRST_WAIT_SECONDS,
        )

    def line(self, kind: Hashable, log: Callable[[], None]) -> None:
        """Log in the background, so that no answer is delayed."""

        def write() -> None:
            with suppress(Exception):  # the host's log handlers may raise anything
                log()

        self._writes.put(("line", kind), write)

    def _put(self, kind: Hashable, note: Callable[[Ledger], None], *, wait: float = 0) -> None:
        self._writes.put(kind, lambda: note(self._ledger()), wait=wait)
