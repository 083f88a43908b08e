"""Which messages to ask Freshdesk about, in memory."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime

from ..asking import (
    GIVEN_UP_AFTER,
    NOT_FOUND_LIMIT,
    AskCursor,
    Asked,
    AskFilter,
    Reconciled,
    by_need,
    is_due,
    outdated_runs,
    step_after,
)
from ..records import OneAccount, is_of
from .memory_message import MemoryMessage
from .memory_store import MemoryStore


class MemoryAsking:
    """Schedules which messages to ask about, for :class:`MemoryLedger`."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._runs: dict[str, Reconciled] = {}

    def due(
        self, wanted: AskFilter, *, limit: int, after: AskCursor | None = None
    ) -> Sequence[Asked]:
        """The messages that are due to be asked about, oldest first, starting after *after*."""
        now = datetime.now(UTC)
        with self._store.lock:
            found = [_asked(one) for one in self._store.all_messages() if _meets(one, wanted, now)]
        found.sort(key=_place)
        return [one for one in found if after is None or _place(one) > after][:limit]

    def find(self, account_id: str, message_id: str) -> Asked | None:
        """One message, due or not; ``None`` if it is unknown."""
        with self._store.lock:
            found = self._store.messages.get(message_id, {}).get(account_id)
            return None if found is None else _asked(found)

    def claim(self, asked: Asked) -> Asked | None:
        """Claim a message and schedule its next step; ``None`` if another process claimed it."""
        asks = asked.asks + 1
        claimed = asked._replace(ask_at=datetime.now(UTC) + step_after(asks), asks=asks)
        return claimed if self._change(asked, claimed) else None

    def put_back(self, claimed: Asked, before: Asked) -> None:
        """Release a claim, and restore the schedule from before it."""
        self._change(claimed, before)

    def _change(self, before: Asked, after: Asked) -> bool:
        with self._store.lock:
            message = self._message(before)
            if message is None or message.ask_at != before.ask_at:
                return False
            message.ask_at, message.asks = after.ask_at, after.asks
            return True

    def found(self, claimed: Asked, *, is_there: bool) -> None:
        """Count that Freshdesk did not find a message, or reset the count."""
        with self._store.lock:
            message = self._message(claimed)
            if message is not None:
                message.not_found = 0 if is_there else message.not_found + 1

    def told_since(
        self, moment: datetime, *, receiver: str, account: OneAccount | None = None
    ) -> int:
        """How many events recorded since *moment* came from the API, not the webhook."""
        with self._store.lock:
            return sum(
                event.receiver == receiver and event.source != "webhook"
                for message, event in self._store.events.values()
                if event.received_at >= moment
                and (account is None or message.account_id in account.ids)
            )

    def last_webhook(self, *, receiver: str) -> tuple[str, datetime] | None:
        """The account of the last webhook that a receiver accepted, and when it arrived (UTC)."""
        with self._store.lock:
            came = [
                (event.received_at, event.id, message.account_id)
                for message, event in self._store.events.values()
                if event.receiver == receiver and event.source == "webhook"
            ]
        if not came:
            return None
        moment, _, account_id = max(came)
        return account_id, moment

    def note(
        self, receiver: str, *, asked: int, changed: int, stopped: str | None, is_good: bool
    ) -> None:
        """Store a run that has just ended as the last one; see :class:`Reconciled`."""
        now = datetime.now(UTC)
        with self._store.lock:
            before = self._runs.get(receiver)
            good_before = None if before is None else before.good_at
            self._runs[receiver] = Reconciled(
                receiver=receiver,
                asked=asked,
                changed=changed,
                stopped=stopped,
                ended_at=now,
                good_at=now if is_good else good_before,
            )

    def runs(self, *, receiver: str) -> Sequence[Reconciled]:
        """The last run of the receiver and of each of its accounts."""
        with self._store.lock:
            its = [run for run in self._runs.values() if is_of(run.receiver, receiver)]
        of_accounts = [run for run in its if run.receiver != receiver]
        last = max((run.ended_at for run in of_accounts), default=None)
        if last is not None:  # the receiver's own counts only if no account has run since
            its = [run for run in its if run in of_accounts or run.ended_at >= last]
        return sorted(its, key=by_need)

    def prune(self, before: datetime, receivers: Collection[str] | None) -> None:
        """Delete the :func:`.outdated_runs`."""
        with self._store.lock:
            ends = {name: run.ended_at for name, run in self._runs.items()}
            for name in outdated_runs(ends, before, receivers):
                del self._runs[name]

    def _message(self, asked: Asked) -> MemoryMessage | None:
        return self._store.messages.get(asked.message_id, {}).get(asked.account_id)


def _asked(message: MemoryMessage) -> Asked:
    return Asked(
        key=message.number,
        account_id=message.account_id,
        message_id=message.message_id,
        status=message.status,
        ask_at=message.ask_at,
        asks=message.asks,
        not_found=message.not_found,
        first_seen=message.first_seen,
    )


def _place(one: Asked) -> AskCursor:
    return AskCursor(one.first_seen, one.key)


def _meets(message: MemoryMessage, wanted: AskFilter, now: datetime) -> bool:
    return (
        message.account_id == wanted.account_id
        and message.first_seen >= now - GIVEN_UP_AFTER
        and message.not_found < NOT_FOUND_LIMIT
        and (message.status is None or message.status in wanted.statuses)
        and (wanted.is_recheck or message.last_seen < now - wanted.stuck_for)
        and is_due(_asked(message), wanted, now)
        and (wanted.since is None or message.first_seen >= wanted.since)
        and (wanted.until is None or message.first_seen < wanted.until)
    )
