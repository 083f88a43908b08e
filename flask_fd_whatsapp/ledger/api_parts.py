"""The parts of a ledger that have to do with Freshdesk's API: what was sent, and what to ask."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

from .asking import AskCursor, Asked, AskFilter, Reconciled
from .pacing import PaceMoments, PaceRead
from .send_records import Expected, Send, SendFilter, SendIntent, SendStanding, SendState


class SendRecord(Protocol):
    """Keeps what was sent, from before it goes out."""

    def intend(self, intent: SendIntent) -> Any:
        """Write down what is about to be sent, in a transaction of its own.

        :return: the send's id; or with ``once`` the earlier :class:`Send` of the receiver that
            has used the reference, and then nothing is written.
        """
        ...

    def sent(self, send_id: Any, message_id: str) -> None:
        """Keep the id of what was sent, and its message, together; it beats what was settled."""
        ...

    def failed(self, send_id: Any, state: SendState, error: str) -> None:
        """Keep why a send is refused, unsent or unknown; what is settled already stays."""
        ...

    def close(self, send_id: Any) -> bool:
        """Say of an unknown send that nothing was sent; whether it was unknown."""
        ...

    def expect(self, expected: Expected) -> None:
        """Store the message of a send that was made elsewhere, or what is not known of it yet."""
        ...

    def find(self, send_id: Any) -> Send | None:
        """The send of that id, without candidates; ``None`` if there is none."""
        ...

    def listed(self, wanted: SendFilter) -> list[Send]:
        """The sends that meet every condition, newest first."""
        ...

    def settle(self) -> int:
        """Settle the unknown sends that the rule allows; gives how many."""
        ...

    def standing(self, receiver: str) -> SendStanding:
        """How a receiver's sends stand."""
        ...


class Rates(Protocol):
    """Keeps what paces of calls remember."""

    def read(self, name: str) -> PaceRead:
        """What the pace of that name remembers, by the ledger's clock."""
        ...

    def replace(self, name: str, before: PaceMoments | None, after: PaceMoments) -> bool:
        """Remember *after* in place of *before*; whether nobody was quicker."""
        ...


class Asking(Protocol):
    """Knows which messages are to be asked for, and whose turn it is."""

    def due(
        self, wanted: AskFilter, *, limit: int, after: AskCursor | None = None
    ) -> Sequence[Asked]:
        """Those whose turn has come, oldest first, from behind *after*."""
        ...

    def find(self, account_id: str, message_id: str) -> Asked | None:
        """One message, whosever turn it is; ``None`` if it is unknown."""
        ...

    def claim(self, asked: Asked) -> Asked | None:
        """Take a message's turn, as one compare-and-set; ``None`` if another has taken it.

        It comes again after the message's next step: a process that dies costs that.
        """
        ...

    def put_back(self, claimed: Asked, before: Asked) -> None:
        """Give a turn back, so that the message is asked for as if it had not been."""
        ...

    def found(self, claimed: Asked, *, is_there: bool) -> None:
        """Count that Freshdesk did not know a message, or forget that it did not."""
        ...

    def told_since(self, moment: datetime, *, receiver: str) -> int:
        """How many events the API told, and not the webhook, that were recorded since then."""
        ...

    def last_webhook(self, *, receiver: str) -> tuple[str, datetime] | None:
        """The account of the last webhook that a receiver took, and when it came (UTC)."""
        ...

    def note(
        self, receiver: str, *, asked: int, changed: int, stopped: str | None, is_good: bool
    ) -> None:
        """Keep a run that has just ended as the last one; see :class:`Reconciled`.

        :param is_good: whether it could ask; if not, the time of the last good one stays.
        """
        ...

    def runs(self, *, receiver: str) -> Sequence[Reconciled]:
        """The last run of the receiver and of each of its accounts.

        First what was never reconciled, then what was longest ago.
        """
        ...
