"""A ledger that loses successes, as if a process died at the wrong moment."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

from ..ledger import Claim, Entry, Ledger, Policy, Recorded, State, Tried
from ..ledger.context import current_transaction
from ..receiving.receiver import Receiver


@contextmanager
def forgetful(receiver: Receiver) -> Generator[set[str]]:
    """Context manager: no handler's first success on an event is recorded.

    The handler did its work, but its writes through ``current_ledger.transaction`` are rolled back,
    and the next attempt calls it again.

    :return: the names of the handlers whose success was lost.
    """
    ledger = receiver.ledger
    lossy = _ForgetfulLedger(ledger)
    receiver._ledger = cast(Ledger, lossy)
    try:
        yield lossy.handlers
    finally:
        receiver._ledger = ledger


class _ForgetfulLedger:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._seen: set[tuple[Any, str]] = set()
        self.handlers: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    @property
    def transaction(self) -> Any:
        return current_transaction(cast(Ledger, self))

    def record(self, entry: Entry, policy: Policy, *, claim: bool = True) -> Recorded:
        return self._wrapped(self._ledger.record(entry, policy, claim=claim))

    def claim(
        self, event_id: Any, policy: Policy, *, wait: float = 0, settled: bool = False
    ) -> Recorded | None:
        recorded = self._ledger.claim(event_id, policy, wait=wait, settled=settled)
        return recorded and self._wrapped(recorded)

    def loses(self, event_id: Any, handler: str) -> bool:
        """Whether to lose the success of *handler*: its first on the event."""
        if (event_id, handler) in self._seen:
            return False
        self._seen.add((event_id, handler))
        self.handlers.add(handler)
        return True

    def _wrapped(self, recorded: Recorded) -> Recorded:
        if recorded.claim is None:
            return recorded
        return recorded._replace(claim=_ForgetfulClaim(self, recorded.claim, recorded.id))


class _ForgetfulClaim:
    def __init__(self, ledger: _ForgetfulLedger, claim: Claim, event_id: Any) -> None:
        self._ledger = ledger
        self._claim = claim
        self._event_id = event_id
        self._has_lost = False

    @property
    def transaction(self) -> Any:
        return self._claim.transaction

    def succeeded(self, handler: str) -> None:
        if self._ledger.loses(self._event_id, handler):
            self._lose()
        else:
            self._claim.succeeded(handler)

    def renew(self) -> None:
        self._claim.renew()

    def undo(self) -> bool:
        return self._claim.undo()

    def abandon(self, tried: Tried) -> State | None:
        return self._claim.abandon(tried)

    def finish(self, tried: Tried) -> State:
        if tried.succeeded is not None and self._ledger.loses(self._event_id, tried.succeeded):
            self._lose()
            tried = replace(tried, succeeded=None)
        if self._has_lost and not tried.failed:
            tried = replace(tried, retry_after=tried.retry_after or 0)
        return self._claim.finish(tried)

    def _lose(self) -> None:
        self._claim.undo()
        self._has_lost = True
