"""What may look on while events are handled, and Freshdesk is called: an observer's protocol."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from ..events import StatusEvent
from ..ledger import Recorded
from .handlers import Handler


class Observer(Protocol):
    """Looks on, and raises nothing of its own.  A receiver has none unless somebody asks for it."""

    def handling(
        self, receiver: str, event: StatusEvent, recorded: Recorded
    ) -> AbstractContextManager[object]:
        """Around all that is called in one attempt at *event*."""
        ...

    def call(
        self, receiver: str, handler: Handler, run: Callable[[Handler], BaseException | None]
    ) -> BaseException | None:
        """Call *run* with *handler*, and give what it gives: why the handler failed, if it did."""
        ...

    def swept(self, receiver: str, result: str) -> None:
        """A recorded event was gone on with; what became of it."""
        ...

    def called_api(self, receiver: str, method: str, answer: str) -> None:
        """Freshdesk's API was called; *answer* is one of a few words for what it answered."""
        ...

    def waited_for_api(self, receiver: str, seconds: float) -> None:
        """A call of the API has waited so long for its turn."""
        ...

    def reconciled(self, receiver: str, told: str) -> None:
        """A message was asked for; what came of that."""
        ...
