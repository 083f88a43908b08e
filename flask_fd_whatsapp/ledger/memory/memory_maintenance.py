"""Maintenance of the in-memory ledger: pruning and erasing."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from itertools import islice
from pathlib import Path

from ...exceptions import FreshdeskWhatsAppError
from ..event_filter import require_condition
from ..references import storable
from ..views import Erased, Upgraded
from .memory_asking import MemoryAsking
from .memory_sends import MemorySends
from .memory_store import MemoryStore


class MemoryMaintenance:
    """Maintains the ledger, for :class:`MemoryLedger`."""

    def __init__(self, store: MemoryStore, sends: MemorySends, asking: MemoryAsking) -> None:
        self._store = store
        self._sends = sends
        self._asking = asking

    def prune(
        self,
        *,
        before: datetime,
        limit: int,
        receiver: str | Collection[str] | None = None,
        account_ids: Collection[str] | None = None,
        except_accounts: Collection[str] = (),
    ) -> int:
        """Delete at most *limit* finished messages without an event since *before*.

        :param receiver: only messages whose events all came to these receivers.
        """
        names = [receiver] if isinstance(receiver, str) else receiver

        def is_one_of_these(account_id: str) -> bool:
            is_named = account_ids is None or account_id in account_ids
            return is_named and account_id not in except_accounts

        with self._store.lock:
            old = (
                message
                for message in self._store.all_messages()
                if message.last_seen < before
                and message.is_finished
                and not self._store.is_held(message)
                and (names is None or message.came_only_to(names))
                and is_one_of_these(message.account_id)
            )
            oldest = list(islice(old, limit))
            for message in oldest:
                self._store.forget(message)
            self._sends.prune(before, names, is_one_of_these)
            if account_ids is None:
                self._asking.prune(before, names)
        return len(oldest)

    def erase(
        self,
        *,
        message_id: str | None = None,
        reference: str | None = None,
        account_id: str | None = None,
    ) -> Erased:
        """Erase the messages with an id or a reference, and the sends with that reference."""
        require_condition(message_id, reference)
        with self._store.lock:
            its = [
                message
                for message in self._store.all_messages()
                if message_id in (None, message.message_id)
                and account_id in (None, message.account_id)
                and (reference is None or message.external_reference_id == storable(reference))
            ]
            free = [message for message in its if not self._store.is_held(message)]
            for message in free:
                self._sends.erase_of(message.account_id, message.message_id)
                self._store.forget(message)
            sends = 0 if reference is None else self._sends.erase(reference, account_id)
        return Erased(messages=len(free), sends=sends, held=len(its) - len(free))

    @property
    def compacts(self) -> str:
        """Nothing: Python frees memory."""
        return ""

    def compact(self) -> None:
        """Do nothing."""

    def back_up(self, path: Path, *, tell: Callable[[int, int], None]) -> None:
        """Memory cannot be backed up."""
        raise FreshdeskWhatsAppError("The ledger is in memory: there is nothing to back up.")

    def check(self) -> list[str]:
        """Memory has nothing to check."""
        return []

    def upgrade(
        self, to: str | None = None, *, tell: Callable[[str], None] | None = None
    ) -> Upgraded | None:
        """Memory has no tables to upgrade."""
        return None
