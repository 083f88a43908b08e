"""The protocol of observers, which watch events being handled and API calls."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from ..events import StatusEvent
from ..ledger import Recorded
from .handlers import Handler


class Observer(Protocol):
    """Observes, and raises nothing of its own. A receiver has none unless one is configured."""

    def handling(
        self, receiver: str, event: StatusEvent, recorded: Recorded
    ) -> AbstractContextManager[object]:
        """Wrap everything that is called in one attempt at *event*."""
        ...

    def call(
        self, receiver: str, handler: Handler, run: Callable[[Handler], BaseException | None]
    ) -> BaseException | None:
        """Call *run* with *handler*, and return its result: why the handler failed, or ``None``."""
        ...

    def swept(self, receiver: str, result: str) -> None:
        """A recorded event was resumed, with this result."""
        ...

    def called_api(self, receiver: str, method: str, answer: str) -> None:
        """Freshdesk's API was called; *answer* is a fixed word for the kind of answer."""
        ...

    def waited_for_api(self, receiver: str, seconds: float) -> None:
        """An API call has waited this long for its turn."""
        ...

    def reconciled(self, receiver: str, told: str) -> None:
        """Freshdesk was asked about a message, with this result."""
        ...
