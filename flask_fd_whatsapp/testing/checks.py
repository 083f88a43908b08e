"""Two assertions for any handlers: duplicates, and every order of arrival."""

from __future__ import annotations

import copy
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from itertools import permutations
from typing import Any, Final

from ..handling.handlers import handlers_of
from ..signals import EVENT_SIGNALS
from .builder import EventBuilder, Payload
from .client import WhatsAppClient
from .forgetful import forgetful
from .recorder import RECORDER

JOURNEYS: Final[tuple[tuple[str, ...], ...]] = (
    ("QUEUED", "SENT", "DELIVERED", "READ"),
    ("QUEUED", "SENT", "FAILED"),
    ("SENT", "FAILED", "DELIVERED"),
    ("SENT", "FAILED", "READ"),
)
"""What messages go through: with several devices, one may fail and another deliver."""

Read = Callable[[EventBuilder], object]
NewMessage = Callable[[], EventBuilder]


def assert_same_in_every_order(
    client: WhatsAppClient,
    read: Read,
    *,
    new_message: NewMessage = EventBuilder,
    journeys: Iterable[Sequence[str]] = JOURNEYS,
) -> None:
    """Play each journey in every order of arrival, and compare the results.

    :param read: returns the result of the handlers' work for a message, as plain values that can be
        compared; called in an application context. It gets the message's builder (for its
        ``message_id`` and ``external_reference_id``), and has to leave both out of the result.
    :param new_message: returns a builder of a new message, before each order; called in an
        application context. A host that needs more than ids creates it here (its ticket, for
        example), and clears here what earlier messages left in what *read* reads.
    :param journeys: the statuses of each journey.
    :raises AssertionError: with the two orders that differ, and their results.
    """
    __tracebackhide__ = True
    trial = _Trial(client, read, new_message)
    for statuses in journeys:
        straight, *others = permutations(range(len(statuses)))
        expected = trial.result(statuses, straight)
        for order in others:
            result = trial.result(statuses, order)
            if result != expected:
                _fail(
                    "The result depends on the order of arrival.",
                    (_names(statuses, straight), expected),
                    (_names(statuses, order), result),
                    "Use status_changed, which only ever moves forward, or check event.is_stale "
                    "before going back. FAILED carries no external_reference_id: if it may come "
                    "first, find the message by its message_id.",
                )


def assert_same_under_duplicates(
    client: WhatsAppClient,
    read: Read,
    *,
    new_message: NewMessage = EventBuilder,
    journeys: Iterable[Sequence[str]] = JOURNEYS,
) -> None:
    """Play each journey with its events duplicated; the result has to be the same as without.

    The ledger does not pass a duplicate to handlers that have succeeded. But a handler is called
    again if its success could not be recorded, because its process died: here that happens to each
    handler, once per event. The second call follows at once, and in another run after all events.

    The parameters are those of :func:`assert_same_in_every_order`.

    :raises AssertionError: with both results, and the handlers that were called twice.
    """
    __tracebackhide__ = True
    trial = _Trial(client, read, new_message)
    for statuses in journeys:
        straight = tuple(range(len(statuses)))
        expected = trial.result(statuses, straight)
        for title, doubled in (
            ("each twice in a row", [[place] for place in straight]),
            ("all, and then all again", [list(straight)]),
        ):
            result, handlers = trial.result_of_doubled(statuses, doubled)
            if result != expected:
                _fail(
                    "The result differs when handlers are called twice.",
                    (f"{_names(statuses, straight)}, once each", expected),
                    (f"{_names(statuses, straight)}, {title}", result),
                    f"Called twice: {', '.join(sorted(handlers))}. Set values rather than adding "
                    "to them, or write through current_ledger.transaction, which is rolled back "
                    "if the success is not recorded.",
                )


class _Trial:
    """Plays new messages, one after the other, and reads each result."""

    def __init__(self, client: WhatsAppClient, read: Read, new_message: NewMessage) -> None:
        self._client = client
        self._read = read
        self._new_message = new_message
        self._message_ids: set[str] = set()
        handlers = handlers_of(EVENT_SIGNALS, client.app)
        if all(handler.name.startswith(RECORDER) for handler in handlers):
            raise AssertionError(
                f"No handler is connected to {client.app!r}. (Blinker holds handlers weakly: "
                "connect those defined inside a function with connect_via.)"
            )

    def result(self, statuses: Sequence[str], order: Sequence[int]) -> object:
        """Return the handlers' result for a message whose events came once, in this order."""
        message, payloads = self._begin(statuses)
        with _noting(f"in the order {_names(statuses, order)}"):
            self._client.play(payloads[place] for place in order)
            return self._end(message)

    def result_of_doubled(
        self, statuses: Sequence[str], doubled: Iterable[Sequence[int]]
    ) -> tuple[object, set[str]]:
        """Return it with each group of events duplicated, and the handlers called twice."""
        message, payloads = self._begin(statuses)
        with _noting("when handlers are called twice"), forgetful(self._client.receiver) as twice:
            for places in doubled:
                group = [payloads[place] for place in places]
                for payload in group:
                    self._client.post(payload)
                    if self._client.receiver.settings.dispatch != "inline":
                        self._client.dispatch_due()
                self._client.play(group)
            return self._end(message), {name for name in twice if not name.startswith(RECORDER)}

    def _begin(self, statuses: Sequence[str]) -> tuple[EventBuilder, list[Payload]]:
        with self._client.app.app_context():
            message = self._new_message()
        if message.message_id in self._message_ids:
            raise ValueError(
                f"new_message returned message id {message.message_id} twice: the ledger would "
                "treat its events as duplicates. Return a new EventBuilder each time."
            )
        self._message_ids.add(message.message_id)
        return message, message.journey(*statuses)

    def _end(self, message: EventBuilder) -> object:
        with self._client.app.app_context():
            result: Any = copy.deepcopy(self._read(message))  # or the next message may change it
        if result is None:
            raise ValueError("read returned None: let it return the result of the handlers.")
        return result


@contextmanager
def _noting(when: str) -> Generator[None]:
    try:
        yield
    except Exception as error:
        error.add_note(f"This was {when}.")
        raise


def _names(statuses: Sequence[str], order: Sequence[int]) -> str:
    return ", ".join(statuses[place] for place in order)


def _fail(title: str, *lines: tuple[str, object] | str) -> None:
    __tracebackhide__ = True
    texts = [line if isinstance(line, str) else f"  {line[0]}: {line[1]!r}" for line in lines]
    raise AssertionError("\n".join([title, *texts]))
