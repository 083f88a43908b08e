"""What a ledger records about sends, and the rule for settling unknown ones."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, NamedTuple

from .references import storable

SENDING_SECONDS: Final = 120
"""After this time, no process is still waiting to learn how a send ended."""


class SendState(StrEnum):
    """The state of a send.

    Of an *erased* send only a digest of its reference is kept, so that ``once`` still prevents
    another send with it.
    """

    SENDING = "sending"
    SENT = "sent"
    REFUSED = "refused"
    UNSENT = "unsent"
    UNKNOWN = "unknown"
    ERASED = "erased"

    @property
    def is_settled(self) -> bool:
        """Whether the outcome is known."""
        return self not in (SendState.SENDING, SendState.UNKNOWN)

    @property
    def releases(self) -> bool:
        """Whether nothing was sent, so that the reference may be used again."""
        return self in (SendState.REFUSED, SendState.UNSENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class SendIntent:
    """An intent to send; without the recipient or the content.

    :param receiver: the name of the receiver that sends.
    :param account_id: the account that sends.
    :param once: whether the receiver may send with this reference only once.
    """

    receiver: str
    account_id: str
    external_reference_id: str
    once: bool = False
    campaign: str | None = None
    template: str | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """A send, as listed.

    :param id: the ledger's own id of it.
    :param receiver: the name of the receiver that sent it.
    :param state: a send that was ``sending`` for two minutes is ``unknown``.
    :param message_id: Freshdesk's id of the message, once known.
    :param error: what went wrong, in words, without recipient or key.
    :param created_at: when the intent was recorded (UTC).
    :param settled_at: when the outcome was known (UTC).
    :param candidates: for an unknown send, the messages that it may have become: with its
        reference, first seen since then, and belonging to no send.
    """

    id: Any
    receiver: str
    account_id: str
    external_reference_id: str
    campaign: str | None
    template: str | None
    language: str | None
    state: SendState
    message_id: str | None
    error: str | None
    created_at: datetime
    settled_at: datetime | None
    candidates: tuple[str, ...] = ()

    @property
    def place(self) -> SendPlace:
        """Its position in the list of all sends."""
        return SendPlace(self.created_at, self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """A message that was sent, as recorded by the sender.

    :param sent_at: when it was sent (aware datetime); ``None`` for now.
    :param receiver: the receiver that sent it, if known.
    """

    account_id: str
    message_id: str
    external_reference_id: str | None = None
    campaign: str | None = None
    template: str | None = None
    language: str | None = None
    sent_at: datetime | None = None
    receiver: str | None = None


class SendPlace(NamedTuple):
    """A send's position in the list of all sends: newest first."""

    created_at: datetime
    id: Any


class SendFilter(NamedTuple):
    """Which sends to list; conditions are combined with AND.

    :param state: erased sends are listed only if this asks for them.
    :param is_unheard: whether they were sent, but no event of their message has arrived.
    :param before: where the previous page ended.
    """

    external_reference_id: str | None = None
    state: SendState | None = None
    campaign: str | None = None
    receiver: str | None = None
    account_id: str | None = None
    is_unheard: bool = False
    before: SendPlace | None = None
    limit: int = 100

    @property
    def is_of_all(self) -> bool:
        """Whether there is no condition but a receiver."""
        return self._replace(receiver=None, before=None, limit=0) == SendFilter(limit=0)


class SendStanding(NamedTuple):
    """The state of a receiver's sends.

    :param unknown: how many have an unknown outcome.
    :param unheard_since: when the first message was sent after the last webhook of any message
        (UTC); ``None`` if there is none.
    """

    unknown: int = 0
    unheard_since: datetime | None = None


NOTHING_SENT: Final = SendStanding()


class Heard(NamedTuple):
    """A message that belongs to no send.

    :param first_seen: when it was first seen (UTC).
    """

    message_id: str
    first_seen: datetime


class WithReference(NamedTuple):
    """What a ledger knows about one account's reference; read in this order.

    The messages are read first, so that the send of every message read is read, too.

    :param free: the messages with it that belong to no send.
    :param sends: the sends with it.
    :param now: the moment of the ledger's clock.
    """

    free: Sequence[Heard]
    sends: Sequence[Send]
    now: datetime


def candidates_of(send: Send, free: Collection[Heard]) -> tuple[str, ...]:
    """Return the messages that an unknown send may have become."""
    return tuple(one.message_id for one in free if one.first_seen >= send.created_at)


def settlement(known: WithReference) -> tuple[Send, str] | None:
    """Return the only unknown send with a reference, and the only message that it became.

    ``None`` if there are several of either, or one is still in progress: hosts use a reference for
    many messages.
    """
    unknown = [one for one in known.sends if one.state is SendState.UNKNOWN]
    if len(unknown) != 1 or any(one.state is SendState.SENDING for one in known.sends):
        return None
    candidates = candidates_of(unknown[0], known.free)
    return (unknown[0], candidates[0]) if len(candidates) == 1 else None


def state_at(state: str, created_at: datetime, now: datetime) -> SendState:
    """Return the state of a send: one that has been in progress for too long is unknown."""
    is_late = now - created_at > timedelta(seconds=SENDING_SECONDS)
    return SendState.UNKNOWN if state == SendState.SENDING and is_late else SendState(state)


def digest_of(reference: str) -> str:
    """Return the digest by which a reference of any length is found."""
    return hashlib.sha256((storable(reference) or "").encode()).hexdigest()


def once_key_of(intent: SendIntent) -> str:
    """Return what is unique among a receiver's sends with ``once``: reference and account."""
    return digest_of(f"{intent.account_id}\n{intent.external_reference_id}")
