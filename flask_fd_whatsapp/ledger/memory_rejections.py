"""What is noted of requests, in memory: the last rejections, and the use of tokens."""

from __future__ import annotations

from .views import Rejection, TokenUse


class MemoryRejections:
    """The part of :class:`MemoryLedger` that knows what was rejected, and let in, last."""

    _rejections: dict[tuple[str, str, bool], Rejection]
    _token_uses: dict[tuple[str, str, int], TokenUse]

    def note_rejection(self, rejection: Rejection) -> None:
        """Keep *rejection* as the last of its receiver, reason and ``has_no_header``."""
        key = (rejection.receiver, rejection.reason, rejection.has_no_header)
        self._rejections[key] = rejection

    def rejections(self, *, receiver: str | None = None) -> list[Rejection]:
        """The last rejection of each receiver (or of this one) and reason, newest first."""
        noted = list(self._rejections.values())
        found = [one for one in noted if receiver in (None, one.receiver)]
        return sorted(found, key=lambda one: one.last_seen, reverse=True)

    def note_token_use(self, use: TokenUse) -> None:
        """Keep *use* as the last one of its receiver, header and position."""
        self._token_uses[use.receiver, use.header, use.position] = use

    def token_uses(self, *, receiver: str | None = None) -> list[TokenUse]:
        """The last uses of every receiver (or of this one), by header and position."""
        noted = sorted(self._token_uses.items())
        return [use for (of_receiver, _, _), use in noted if receiver in (None, of_receiver)]
