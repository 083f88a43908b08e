"""What keeps the ledger in memory going: what can be forgotten."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from itertools import islice
from pathlib import Path

from ...exceptions import FreshdeskWhatsAppError
from ..views import Upgraded
from .memory_sends import MemorySendRecord
from .memory_store import MemoryStore


class MemoryMaintenance:
    """Keeps the ledger going, for :class:`MemoryLedger`."""

    def __init__(self, store: MemoryStore, sends: MemorySendRecord) -> None:
        self._store = store
        self._sends = sends

    def prune(
        self,
        *,
        before: datetime,
        limit: int,
        receiver: str | Collection[str] | None = None,
        account_ids: Collection[str] | None = None,
        except_accounts: Collection[str] = (),
    ) -> int:
        """Forget at most *limit* messages not heard of since *before*, none that is unfinished.

        :param receiver: only messages all of whose events came to the receivers of these names.
        """
        names = [receiver] if isinstance(receiver, str) else receiver
        with self._store.lock:
            old = (
                message
                for message in self._store.all_messages()
                if message.last_seen < before
                and message.is_finished
                and not self._store.is_held(message)
                and (names is None or message.came_only_to(names))
                and (account_ids is None or message.account_id in account_ids)
                and message.account_id not in except_accounts
            )
            oldest = list(islice(old, limit))
            for message in oldest:
                self._store.forget(message)
            if account_ids is None:
                self._sends.prune(before, names)
        return len(oldest)

    @property
    def compacts(self) -> str:
        """Nothing: Python gives memory back by itself."""
        return ""

    def compact(self) -> None:
        """Nothing is to be done."""

    def back_up(self, path: Path, *, tell: Callable[[int, int], None]) -> None:
        """Memory cannot be backed up."""
        raise FreshdeskWhatsAppError(
            "The ledger is in memory: there is nothing that could be backed up."
        )

    def check(self) -> list[str]:
        """Nothing can be wrong with memory."""
        return []

    def upgrade(
        self, to: str | None = None, *, tell: Callable[[str], None] | None = None
    ) -> Upgraded | None:
        """Memory needs nothing."""
        return None
