"""The state of sends, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice

from ..records import OneAccount
from ..references import storable
from ..send_records import (
    Expected,
    Heard,
    Send,
    SendFilter,
    SendIntent,
    SendStanding,
    SendState,
    WithReference,
    candidates_of,
    settlement,
    state_at,
)
from .memory_sends import MemorySends
from .memory_store import MemoryStore


class MemorySendRecord:
    """Stores sends, for :class:`MemoryLedger`."""

    def __init__(self, store: MemoryStore, sends: MemorySends) -> None:
        self._store = store
        self._sends = sends

    def intend(self, intent: SendIntent) -> int | Send:
        """Record a send before it goes out."""
        with self._store.lock:
            if intent.once:
                earlier = self._sends.earlier(intent)
                if earlier is not None:
                    if self._seen(earlier).state is SendState.UNKNOWN:
                        self._settle_reference(earlier.account_id, earlier.external_reference_id)
                    return self._seen(self._sends.by_id[earlier.id])
            return self._sends.add(intent)

    def sent(self, send_id: int, message_id: str) -> None:
        """Store the message's id and the message; overrides any settlement."""
        with self._store.lock:
            send = self._sends.by_id.get(send_id)
            if send is not None and send.state is not SendState.ERASED:
                self._settle(send, message_id)

    def _settle(self, send: Send, message_id: str) -> None:
        self._sends.by_id[send.id] = replace(
            send,
            state=SendState.SENT,
            message_id=message_id,
            error=None,
            settled_at=datetime.now(UTC),
        )
        self.expect(
            Expected(
                account_id=send.account_id,
                message_id=message_id,
                external_reference_id=send.external_reference_id,
                campaign=send.campaign,
                template=send.template,
                language=send.language,
                sent_at=send.created_at,
                receiver=send.receiver,
            )
        )

    def failed(self, send_id: int, state: SendState, error: str) -> None:
        """Store why it is refused, unsent or unknown; a settled send stays as it is."""
        with self._store.lock:
            send = self._sends.by_id.get(send_id)
            if send is not None and not send.state.is_settled:
                settled_at = datetime.now(UTC) if state.is_settled else None
                failed = replace(send, state=state, error=storable(error), settled_at=settled_at)
                self._sends.by_id[send_id] = failed

    def close(self, send_id: int) -> bool:
        """Mark an unknown send as not sent; return whether it was unknown."""
        with self._store.lock:
            send = self._sends.by_id.get(send_id)
            if send is None or self._seen(send).state is not SendState.UNKNOWN:
                return False
            closed = replace(send, state=SendState.UNSENT, settled_at=datetime.now(UTC))
            self._sends.by_id[send_id] = closed
            return True

    def expect(self, expected: Expected) -> None:
        """Store the message of a send."""
        with self._store.lock:
            self._store.expect(expected, datetime.now(UTC))

    def find(self, send_id: int) -> Send | None:
        """The send of that id; ``None`` if there is none."""
        with self._store.lock:
            found = self._sends.by_id.get(send_id)
            return None if found is None else self._seen(found)

    def listed(self, wanted: SendFilter) -> list[Send]:
        """The sends that meet every condition, newest first."""
        with self._store.lock:
            newest = sorted(self._sends.by_id.values(), key=lambda one: one.place, reverse=True)
            found = (one for one in map(self._seen, newest) if self._meets(one, wanted))
            return [self._with_candidates(one) for one in islice(found, wanted.limit)]

    def _meets(self, one: Send, wanted: SendFilter) -> bool:
        pairs = (
            (storable(wanted.external_reference_id), one.external_reference_id),
            (wanted.state, one.state),
            (storable(wanted.campaign), one.campaign),
            (wanted.receiver, one.receiver),
            (storable(wanted.account_id), one.account_id),
        )
        if any(value is not None and value != its for value, its in pairs):
            return False
        if one.state is SendState.ERASED is not wanted.state:
            return False
        if wanted.before is not None and one.place >= wanted.before:
            return False
        if not wanted.is_unheard:
            return True
        known = self._store.messages.get(one.message_id or "", {}).get(one.account_id)
        return one.state is SendState.SENT and not (known and known.events)

    def settle(self) -> int:
        """Settle the unknown sends that the rule allows; return how many."""
        with self._store.lock:
            sends = [self._seen(one) for one in self._sends.by_id.values()]
            unknown = [one for one in sends if one.state is SendState.UNKNOWN]
            references = {(one.account_id, one.external_reference_id) for one in unknown}
            return sum(self._settle_reference(*reference) for reference in references)

    def _settle_reference(self, account_id: str, reference: str) -> int:
        its = [
            self._seen(one)
            for one in self._sends.by_id.values()
            if (one.account_id, one.external_reference_id) == (account_id, reference)
        ]
        free = self._free(account_id, reference)
        found = settlement(WithReference(free, its, datetime.now(UTC)))
        if found is None:
            return 0
        self._settle(*found)
        return 1

    def standing(self, receiver: str, account: OneAccount | None = None) -> SendStanding:
        """The state of a receiver's sends, or of those of one of its accounts."""

        def is_its(account_id: str) -> bool:
            return account is None or account_id in account.ids

        with self._store.lock:
            its = [
                self._seen(one)
                for one in self._sends.by_id.values()
                if one.receiver == receiver and is_its(one.account_id)
            ]
            came = [
                event.received_at
                for message, event in self._store.events.values()
                if event.receiver == receiver
                and event.source == "webhook"
                and is_its(message.account_id)
            ]
            last = max(came, default=None)
            since = [
                one.created_at
                for one in its
                if one.state is SendState.SENT and (last is None or one.created_at > last)
            ]
            unknown = sum(one.state is SendState.UNKNOWN for one in its)
            return SendStanding(unknown, min(since, default=None))

    def _seen(self, send: Send) -> Send:
        """The send as of now: one that has been in flight for too long is unknown."""
        return replace(send, state=state_at(send.state, send.created_at, datetime.now(UTC)))

    def _with_candidates(self, one: Send) -> Send:
        if one.state is not SendState.UNKNOWN:
            return one
        free = self._free(one.account_id, one.external_reference_id)
        return replace(one, candidates=candidates_of(one, free))

    def _free(self, account_id: str, reference: str) -> Sequence[Heard]:
        """The messages with a reference that belong to no send."""
        taken = {
            one.message_id for one in self._sends.by_id.values() if one.account_id == account_id
        }
        return [
            Heard(message.message_id, message.first_seen)
            for message in self._store.all_messages()
            if message.account_id == account_id
            and message.external_reference_id == reference
            and message.message_id not in taken
        ]
