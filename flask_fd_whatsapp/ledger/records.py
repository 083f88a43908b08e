"""What the ledger receives and returns on the way of an event."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol

from ..events import WEBHOOK, DeliveryError, Status, StatusEvent
from .views import State

IMPORTED_BY: Final = os.getpid()
"""The process that imported the package; a fork may share the host's open connections."""


ACCOUNT_SEPARATOR: Final = "/"
"""Separates a receiver's name from an account's key, in records of each account's requests."""

MOST_OF_NAME: Final = 200
"""Characters of a receiver's name, and of that with an account's key, that a ledger keeps."""


def name_of_account(receiver: str, key: str) -> str:
    """Return the owner of a token or of a body in quarantine, if a receiver has many accounts."""
    return f"{receiver}{ACCOUNT_SEPARATOR}{key}"


def receiver_and_key(name: str) -> tuple[str, str]:
    """Return the receiver and the key in a :func:`name_of_account`; no key in a receiver's own."""
    receiver, _, key = name.partition(ACCOUNT_SEPARATOR)
    return receiver, key


class OneAccount(NamedTuple):
    """One of a receiver's many accounts.

    :param name: the receiver's name with the account's key, as in what is kept by account.
    :param ids: its account ids.
    """

    name: str
    ids: Collection[str]


def is_of(name: str, receiver: str) -> bool:
    """Whether *name* is the receiver's, or one of its accounts'."""
    return name == receiver or name.startswith(f"{receiver}{ACCOUNT_SEPARATOR}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The rules for claims and attempts.

    :param lease_seconds: how long a claim holds without renewal.
    :param max_attempts: failed attempts, including those whose process died, until an event is
        dead.
    :param give_up_after: seconds after an event was recorded, or last revived, after which an
        attempt that leaves it unfinished makes it dead.
    :param handler_seconds: when a running handler is reported as hanging; ``None``: never.
    """

    lease_seconds: float = 60
    max_attempts: int = 20
    give_up_after: float = 7 * 86400
    handler_seconds: float | None = 300


class Entry(NamedTuple):
    """An event to record.

    :param receiver: the name of the receiver that records it.
    :param event: the event as loaded.
    :param body: its JSON text as received.
    :param headers: the values of ``FD_WHATSAPP_DATA_HEADERS`` that came with it.
    :param campaign: the campaign of its own ``external_reference_id``.
    """

    receiver: str
    event: StatusEvent
    body: str
    headers: Mapping[str, str]
    campaign: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unusable:
    """An authenticated body to quarantine.

    :param receiver: the name of the receiver that received it.
    :param reason: as in ``webhook_rejected``, or ``ignored`` for another event type.
    :param detail: what exactly was wrong with it.
    :param headers: the values of ``FD_WHATSAPP_DATA_HEADERS`` that came with it.
    """

    receiver: str
    body: bytes = field(repr=False)
    reason: str
    detail: str
    headers: Mapping[str, str] = field(repr=False)


@dataclass(slots=True)
class Tried:
    """The outcome of an attempt so far, as far as the ledger does not know it yet.

    :param succeeded: the last handler, if it succeeded (earlier ones are recorded already).
    :param superseded: handlers that were not called because the message has moved past the event.
    :param failed: the handlers that failed, with type and message of the exception.
    :param postponed: the handlers that asked to be called later, with their reasons.
    :param retry_after: seconds until they want to be called again, ``None`` if there are none.
    :param gave_up: the handlers that gave up and are not called again, with their reasons.
    """

    succeeded: str | None = None
    superseded: Sequence[str] = ()
    failed: dict[str, str] = field(default_factory=dict)
    postponed: dict[str, str] = field(default_factory=dict)
    retry_after: float | None = None
    gave_up: dict[str, str] = field(default_factory=dict)


class Claim(Protocol):
    """The right to handle a message, under a lease.

    Every method raises :class:`ClaimLost`, and changes nothing, once another worker has claimed the
    message.
    """

    @property
    def transaction(self) -> Any:
        """The transaction of the handler being called, ``None`` if the ledger has none.

        Its ``connection`` is opened at first use; its writes commit together with the handler's
        success. Using it after the handler has ended is an error.
        """
        ...

    def succeeded(self, handler: str) -> None:
        """Record that *handler* succeeded, and renew the lease."""
        ...

    def renew(self) -> None:
        """Renew the lease; called from a thread other than the handler's."""
        ...

    def undo(self) -> bool:
        """Roll back what the handler being called wrote through :attr:`transaction`.

        Whatever the handler did to the connection, this raises nothing.

        :return: whether the database had aborted the transaction in favour of another, so that the
            handler can be called again.
        """
        ...

    def abandon(self, tried: Tried) -> State | None:
        """Record that the handler being called hangs; called from another thread.

        From then on the handler's thread can record nothing: it gets :class:`ClaimLost`, and what
        it wrote through :attr:`transaction` is rolled back.

        :param tried: whose ``failed`` names the handler.
        :return: the event's state; ``None``, with nothing changed, if the handler's success or the
            end of the attempt was recorded first.
        """
        ...

    def finish(self, tried: Tried) -> State:
        """Record the rest of an attempt and the event's state, and release the message."""
        ...


class Recorded(NamedTuple):
    """An event as recorded in the ledger.

    :param id: the ledger's own id of the event.
    :param state: the state of the event.
    :param claim: the right to handle it; ``None`` if it is not pending, if another worker is
        handling its message, or if no claim was requested.
    :param body: its JSON text.
    :param headers: the data headers that came with it.
    :param previous_status: its message's status before it was recorded.
    :param is_stale: whether it did not move its message forward.
    :param external_reference_id: its message's, from any of its events.
    :param campaign: its message's, likewise.
    :param error: why its message failed, if that was known before this attempt.
    :param succeeded: handlers that are not called again, including those that gave up, except for a
        claim on a settled event.
    :param postponed: how often its handlers have asked to be called later.
    :param superseded: whether the message has moved past this event since it was recorded.
    :param attempt: the number of this attempt, from 1, if it is claimed.
    :param has_died: whether the event became dead just now, since the last processes to attempt it
        died.
    :param source: the webhook, or the API.
    """

    id: Any
    state: State
    claim: Claim | None
    body: str
    headers: Mapping[str, str]
    previous_status: Status | None
    is_stale: bool
    external_reference_id: str | None
    campaign: str | None
    error: DeliveryError | None = None
    succeeded: frozenset[str] = frozenset()
    postponed: int = 0
    superseded: bool = False
    attempt: int = 1
    has_died: bool = False
    source: str = WEBHOOK
