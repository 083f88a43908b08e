"""What goes into a ledger and comes out of it on the way of an event."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol

from ..events import WEBHOOK, DeliveryError, Status, StatusEvent
from .views import State

IMPORTED_BY: Final = os.getpid()
"""The process that imported the package: in another, what the host has opened may be that one's."""


ACCOUNT_SEPARATOR: Final = "/"
"""Between a receiver's name and an account's key, in what is kept of each account's requests."""

MOST_OF_NAME: Final = 200
"""Characters of a receiver's name, and of that with an account's key, that a ledger keeps."""


def name_of_account(receiver: str, key: str) -> str:
    """Whose a token, or a body in quarantine, is, where a receiver has many accounts."""
    return f"{receiver}{ACCOUNT_SEPARATOR}{key}"


def is_of(name: str, receiver: str) -> bool:
    """Whether *name* is the receiver's, or that of one of its accounts."""
    return name == receiver or name.startswith(f"{receiver}{ACCOUNT_SEPARATOR}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The rules of claims.

    :param lease_seconds: how long a claim holds without a sign of life.
    :param max_attempts: attempts that failed, or whose process died, before an event is dead.
    :param give_up_after: seconds after an event was recorded, or last revived, from when on a try
        that leaves it unfinished makes it dead.
    :param handler_seconds: how long a handler may run before it is reported; ``None``: for ever.
    """

    lease_seconds: float = 60
    max_attempts: int = 20
    give_up_after: float = 7 * 86400
    handler_seconds: float | None = 300


class Entry(NamedTuple):
    """An event to record.

    :param receiver: the name of the receiver that took it in.
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

    :param receiver: the name of the receiver it came to.
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
    """What a try brought that the ledger does not know yet: filled in while handlers are called.

    :param succeeded: the last handler, if it succeeded (earlier ones are recorded already).
    :param superseded: handlers not called because the message has moved past the event.
    :param failed: the handlers that failed, with type and message of the exception.
    :param postponed: the handlers that asked to be called later, with what they said.
    :param retry_after: seconds until they want to be called again, ``None`` if none does.
    :param gave_up: the handlers that gave up and are not to be called again, with their reason.
    """

    succeeded: str | None = None
    superseded: Sequence[str] = ()
    failed: dict[str, str] = field(default_factory=dict)
    postponed: dict[str, str] = field(default_factory=dict)
    retry_after: float | None = None
    gave_up: dict[str, str] = field(default_factory=dict)


class Claim(Protocol):
    """The right to handle a message, under a lease.

    Every method raises :class:`ClaimLost` once another has taken the message, and then
    changes nothing.
    """

    @property
    def transaction(self) -> Any:
        """The transaction of the handler being called, ``None`` where there are none.

        Its ``connection``, opened when first asked for, takes what commits with the handler's
        success; asking for it once the handler has ended is an error.
        """
        ...

    def succeeded(self, handler: str) -> None:
        """Record that *handler* succeeded, and renew the lease."""
        ...

    def renew(self) -> None:
        """Renew the lease; for another thread than that of the handler being called."""
        ...

    def undo(self) -> bool:
        """Roll back what the handler being called wrote through :attr:`transaction`.

        Whatever the handler did to the connection, this raises nothing.

        :return: whether the database had given the transaction up for another's, so that the
            handler can be called again.
        """
        ...

    def abandon(self, tried: Tried) -> State | None:
        """Record that the handler being called hangs; for another thread than the handler's.

        From then on that thread can record nothing: it gets :class:`ClaimLost`, and what it wrote
        through :attr:`transaction` is rolled back.

        :param tried: whose ``failed`` names the handler.
        :return: what has become of the event; ``None``, and nothing has changed, if the handler's
            success or the end of the try was recorded first.
        """
        ...

    def finish(self, tried: Tried) -> State:
        """Record the rest of a try, and what has become of the event; let the message go."""
        ...


class Recorded(NamedTuple):
    """An event as the ledger knows it.

    :param id: the ledger's own id of the event.
    :param state: whether it has been handled already.
    :param claim: the right to handle it; ``None`` if it is not pending, if another handles its
        message, or if no claim was asked for.
    :param body: its JSON text.
    :param headers: the data headers that came with it.
    :param previous_status: its message's status before it was recorded.
    :param is_stale: it did not move its message forward.
    :param external_reference_id: its message's, from whichever event carried it.
    :param campaign: its message's, likewise.
    :param error: why its message failed, if that was known before this try.
    :param succeeded: handlers that are not to be called again, those that gave up among them; for
        a claim on a settled event they are not.
    :param postponed: how often its handlers have asked to be called later.
    :param superseded: the message has moved past this event since it was recorded.
    :param attempt: which try this is, from 1, if it is claimed.
    :param has_died: the event became dead just now, since the last processes to try it died.
    :param source: who told it: the webhook, or the API.
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
