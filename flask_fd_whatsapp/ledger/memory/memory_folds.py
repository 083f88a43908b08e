"""The aggregates of the messages that the in-memory ledger has evicted."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from ...engagement.facts import DATETIMES, Facts
from ...engagement.folding import FoldKey, fold, to_text, within_bounds
from ...engagement.report import ReportRules
from ...engagement.tally import Tally
from ..forgotten import digest_of

AT_ONCE: Final = 256
"""Evicted messages are folded in batches of this size: one by one would slow every event."""

KEPT_DIGESTS: Final = 200_000


class MemoryFolds:
    """Aggregates of evicted messages, and the digests by which they are recognised.

    Callers hold the store's lock.
    """

    def __init__(self) -> None:
        self.rules = ReportRules()
        self._waiting: list[Facts] = []
        self._groups: dict[FoldKey, Tally] = {}
        self._digests: OrderedDict[bytes, None] = OrderedDict()

    def add(self, facts: Facts) -> None:
        """Fold a message that is evicted."""
        self._digests[digest_of(facts.account_id, facts.message_id)] = None
        if len(self._digests) > KEPT_DIGESTS:
            self._digests.popitem(last=False)
        self._waiting.append(facts)
        if len(self._waiting) >= AT_ONCE:
            self._fold()

    def has(self, account_id: str, message_id: str) -> bool:
        """Whether a message was evicted."""
        return bool(self._digests) and digest_of(account_id, message_id) in self._digests

    def kept(self) -> list[tuple[FoldKey, str, str]]:
        """Each aggregate's key, counts and figures."""
        self._fold()
        return [(key, *to_text(tally, DATETIMES)) for key, tally in self._groups.items()]

    def _fold(self) -> None:
        waiting, self._waiting = self._waiting, []
        folded = fold(waiting, self.rules.zone, DATETIMES)
        for key, tally in within_bounds(folded, self._groups.keys()).items():
            known = self._groups.get(key)
            if known is None:
                self._groups[key] = tally
            else:
                known.merge(tally)
