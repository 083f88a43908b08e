"""The last rejections, in memory."""

from __future__ import annotations

from .views import Rejection


class MemoryRejections:
    """The part of :class:`MemoryLedger` that knows what was rejected last."""

    _rejections: dict[tuple[str, str], Rejection]

    def note_rejection(self, rejection: Rejection) -> None:
        """Keep *rejection* as the last one of its receiver and reason."""
        self._rejections[rejection.receiver, rejection.reason] = rejection

    def rejections(self, *, receiver: str | None = None) -> list[Rejection]:
        """The last rejection of each receiver (or of this one) and reason, newest first."""
        noted = list(self._rejections.values())
        found = [one for one in noted if receiver in (None, one.receiver)]
        return sorted(found, key=lambda one: one.last_seen, reverse=True)
