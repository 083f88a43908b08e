"""The sends held in memory until they are erased, pruned or evicted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count

from ...exceptions import LedgerUnavailable
from ..references import storable
from ..send_records import Send, SendIntent, SendState, digest_of
from .memory_store import MemoryStore


class MemorySends:
    """The sends that :class:`MemorySendRecord` records.

    :ivar by_id: oldest first; changed only under the store's lock.
    """

    def __init__(self, store: MemoryStore) -> None:
        self.by_id: dict[int, Send] = {}
        self._store = store
        self._erased: dict[int, str] = {}  # the reference digests of erased sends
        self._ids = count(1)
        store.on_forgetting(self._forget)

    def add(self, intent: SendIntent) -> int:
        """Add a send that is about to go out; return its id."""
        self._make_room()
        send = Send(
            id=next(self._ids),
            receiver=intent.receiver,
            account_id=intent.account_id,
            external_reference_id=storable(intent.external_reference_id) or "",
            campaign=storable(intent.campaign),
            template=intent.template,
            language=intent.language,
            state=SendState.SENDING,
            message_id=None,
            error=None,
            created_at=datetime.now(UTC),
            settled_at=None,
        )
        self.by_id[send.id] = send
        return int(send.id)

    def earlier(self, intent: SendIntent) -> Send | None:
        """An earlier send with the same reference that still blocks it."""
        reference = storable(intent.external_reference_id)
        digest = digest_of(intent.external_reference_id)
        its = (intent.receiver, intent.account_id)
        uses = (
            one
            for one in self.by_id.values()
            if (one.receiver, one.account_id) == its
            and (one.external_reference_id == reference or self._erased.get(one.id) == digest)
        )
        return next((one for one in uses if not one.state.releases), None)

    def _make_room(self) -> None:
        if len(self.by_id) < self._store.max_events:
            return
        oldest = next((one.id for one in self.by_id.values() if one.state.is_settled), None)
        if oldest is None:
            raise LedgerUnavailable(
                f"The in-memory ledger holds {len(self.by_id)} sends whose outcome is unknown, so "
                "none can be evicted."
            )
        self._drop(oldest)

    def _drop(self, send_id: int) -> None:
        del self.by_id[send_id]
        self._erased.pop(send_id, None)

    def _forget(self, account_id: str, message_id: str) -> None:
        """Delete a message's sends along with it."""
        its = (account_id, message_id)
        gone = [one.id for one in self.by_id.values() if (one.account_id, one.message_id) == its]
        for send_id in gone:
            self._drop(send_id)

    def erase_of(self, account_id: str, message_id: str) -> None:
        """Erase the sends of a message that is about to be deleted."""
        its = (account_id, message_id)
        self._erase([one for one in self.by_id.values() if (one.account_id, one.message_id) == its])

    def erase(self, reference: str, account_id: str | None) -> int:
        """Erase sends with a reference that became no message; return how many."""
        with self._store.lock:
            its = [
                one
                for one in self.by_id.values()
                if one.message_id is None
                and one.external_reference_id == storable(reference)
                and account_id in (None, one.account_id)
            ]
            self._erase(its)
        return len(its)

    def _erase(self, its: Iterable[Send]) -> None:
        for one in its:
            if one.state.releases:
                self._drop(one.id)
                continue
            self._erased[one.id] = digest_of(one.external_reference_id)
            self.by_id[one.id] = replace(
                one,
                external_reference_id="",
                campaign=None,
                template=None,
                language=None,
                state=SendState.ERASED,
                message_id=None,
                error=None,
                settled_at=datetime.now(UTC),
            )

    def prune(
        self,
        before: datetime,
        receivers: Collection[str] | None,
        is_one_of_these: Callable[[str], bool],
    ) -> None:
        """Delete older sends of these receivers and accounts that became no message."""
        with self._store.lock:
            for one in list(self.by_id.values()):
                is_old = one.message_id is None and one.created_at < before
                is_theirs = receivers is None or one.receiver in receivers
                if is_old and is_theirs and is_one_of_these(one.account_id):
                    self._drop(one.id)
