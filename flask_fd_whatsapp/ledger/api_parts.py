"""The parts of a ledger that concern Freshdesk's API: sends, and messages to ask about."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

from .asking import AskCursor, Asked, AskFilter, Reconciled
from .pacing import PaceMoments, PaceRead
from .records import OneAccount
from .send_records import Expected, Send, SendFilter, SendIntent, SendStanding, SendState


class SendRecord(Protocol):
    """Records sends, from before they go out."""

    def intend(self, intent: SendIntent) -> Any:
        """Record the intent to send, in a transaction of its own.

        :return: the send's id; or with ``once`` the receiver's earlier :class:`Send` with the same
            reference, and then nothing is recorded.
        """
        ...

    def sent(self, send_id: Any, message_id: str) -> None:
        """Record the sent message's id and row together; overrides an earlier settlement."""
        ...

    def failed(self, send_id: Any, state: SendState, error: str) -> None:
        """Record why a send was refused, unsent or unknown; a settled send stays as it is."""
        ...

    def close(self, send_id: Any) -> bool:
        """Close an unknown send as not sent; return whether it was unknown."""
        ...

    def expect(self, expected: Expected) -> None:
        """Record the message of a send made elsewhere, or complete what is missing about it."""
        ...

    def find(self, send_id: Any) -> Send | None:
        """Return the send with that id, without candidates; ``None`` if there is none."""
        ...

    def listed(self, wanted: SendFilter) -> list[Send]:
        """List the sends that meet all conditions, newest first."""
        ...

    def settle(self) -> int:
        """Settle the unknown sends that the rule allows; return how many."""
        ...

    def standing(self, receiver: str, account: OneAccount | None = None) -> SendStanding:
        """Return the state of a receiver's sends.

        :param account: only of this one of its accounts.
        """
        ...


class Rates(Protocol):
    """Stores the state of paces."""

    def read(self, name: str) -> PaceRead:
        """Return the state of the pace with that name, by the ledger's clock."""
        ...

    def replace(self, name: str, before: PaceMoments | None, after: PaceMoments) -> bool:
        """Replace *before* with *after*; return false if another process has changed it."""
        ...


class Asking(Protocol):
    """Knows which messages to ask Freshdesk about, and claims them."""

    def due(
        self, wanted: AskFilter, *, limit: int, after: AskCursor | None = None
    ) -> Sequence[Asked]:
        """Return the due messages after *after*, oldest first."""
        ...

    def find(self, account_id: str, message_id: str) -> Asked | None:
        """Return one message, due or not; ``None`` if it is unknown."""
        ...

    def claim(self, asked: Asked) -> Asked | None:
        """Claim a message, as one compare-and-set; return ``None`` if another process has it.

        It is due again at the message's next step: a process that dies costs one step.
        """
        ...

    def put_back(self, claimed: Asked, before: Asked) -> None:
        """Release a claim, as if the message had not been asked about."""
        ...

    def found(self, claimed: Asked, *, is_there: bool) -> None:
        """Count that Freshdesk did not find a message, or reset the count."""
        ...

    def told_since(
        self, moment: datetime, *, receiver: str, account: OneAccount | None = None
    ) -> int:
        """Return how many events since then were reported by the API instead of the webhook.

        :param account: only of this one of the receiver's accounts.
        """
        ...

    def last_webhook(self, *, receiver: str) -> tuple[str, datetime] | None:
        """Return the account of a receiver's last webhook, and when it was received (UTC)."""
        ...

    def note(
        self, receiver: str, *, asked: int, changed: int, stopped: str | None, is_good: bool
    ) -> None:
        """Record a run that has just ended as the last one; see :class:`Reconciled`.

        :param is_good: whether it could ask; otherwise the time of the last one that could stays.
        """
        ...

    def runs(self, *, receiver: str) -> Sequence[Reconciled]:
        """Return the last run of the receiver and of each of its accounts.

        Those that have never succeeded come first, then the longest ago.
        """
        ...
