"""What a ledger keeps of what was sent, and the rule by which an unknown send is settled."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, NamedTuple

from .references import storable

SENDING_SECONDS: Final = 120
"""A send that has been under way for longer has no process any more that would know its end."""


class SendState(StrEnum):
    """What became of a send.

    Of one that is *erased* nothing is kept but a digest of its reference, and only so that nothing
    is sent with that ``once`` again.
    """

    SENDING = "sending"
    SENT = "sent"
    REFUSED = "refused"
    UNSENT = "unsent"
    UNKNOWN = "unknown"
    ERASED = "erased"

    @property
    def is_settled(self) -> bool:
        """Whether it is known what became of it."""
        return self not in (SendState.SENDING, SendState.UNKNOWN)

    @property
    def releases(self) -> bool:
        """Whether nothing was sent, so that the reference may be used again."""
        return self in (SendState.REFUSED, SendState.UNSENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class SendIntent:
    """What is about to be sent; never the recipient, nor what the message says.

    :param receiver: the name of the receiver in whose name it is sent.
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
    :param receiver: the name of the receiver in whose name it was sent.
    :param state: one that was ``sending`` for two minutes is ``unknown``.
    :param message_id: Freshdesk's id of the message, once it is known.
    :param error: what went wrong, in words, without recipient or key.
    :param created_at: when it was about to be sent (UTC).
    :param settled_at: when it was known what became of it (UTC).
    :param candidates: of an unknown send, the messages it may have become: with its reference,
        first heard of since, and of no other send.
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
        """Where it stands in the list of all."""
        return SendPlace(self.created_at, self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """A message that was sent, as the ledger is told by whoever sent it.

    :param sent_at: when that was (aware datetime); ``None`` for now.
    :param receiver: in whose name, if that is known.
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
    """Where a send stands in the list of all: newest first."""

    created_at: datetime
    id: Any


class SendFilter(NamedTuple):
    """Which sends are asked for: those that meet every condition that is not ``None``.

    :param state: one that is erased is given only where that is asked for.
    :param is_unheard: they were sent, and no event of their message has come.
    :param before: where the page before ended.
    """

    external_reference_id: str | None = None
    state: SendState | None = None
    campaign: str | None = None
    receiver: str | None = None
    is_unheard: bool = False
    before: SendPlace | None = None
    limit: int = 100

    @property
    def is_of_all(self) -> bool:
        """Whether nothing but a receiver narrows it."""
        return self._replace(receiver=None, before=None, limit=0) == SendFilter(limit=0)


class SendStanding(NamedTuple):
    """How a receiver's sends stand.

    :param unknown: how many nobody knows the end of.
    :param unheard_since: when the first one was sent since which no webhook has come, of whatever
        message (UTC); ``None`` if one has come since the last.
    """

    unknown: int = 0
    unheard_since: datetime | None = None


NOTHING_SENT: Final = SendStanding()


class Heard(NamedTuple):
    """A message that belongs to no send.

    :param first_seen: when it was first heard of (UTC).
    """

    message_id: str
    first_seen: datetime


class WithReference(NamedTuple):
    """What a ledger knows of one account's reference; read in this order.

    The messages first: every one that is seen is of a send whose intent can be seen, too.

    :param free: the messages with it that belong to no send.
    :param sends: the sends with it.
    :param now: the moment of the ledger's clock.
    """

    free: Sequence[Heard]
    sends: Sequence[Send]
    now: datetime


def candidates_of(send: Send, free: Collection[Heard]) -> tuple[str, ...]:
    """The messages that an unknown send may have become."""
    return tuple(one.message_id for one in free if one.first_seen >= send.created_at)


def settlement(known: WithReference) -> tuple[Send, str] | None:
    """The one unknown send with a reference, and the one message it became.

    ``None`` where there are several of either, or one is still under way: hosts use a reference
    for many messages.
    """
    unknown = [one for one in known.sends if one.state is SendState.UNKNOWN]
    if len(unknown) != 1 or any(one.state is SendState.SENDING for one in known.sends):
        return None
    candidates = candidates_of(unknown[0], known.free)
    return (unknown[0], candidates[0]) if len(candidates) == 1 else None


def state_at(state: str, created_at: datetime, now: datetime) -> SendState:
    """The state of a send: one that has been under way for too long is unknown."""
    is_late = now - created_at > timedelta(seconds=SENDING_SECONDS)
    return SendState.UNKNOWN if state == SendState.SENDING and is_late else SendState(state)


def digest_of(reference: str) -> str:
    """By what a reference of any length is found."""
    return hashlib.sha256((storable(reference) or "").encode()).hexdigest()


def once_key_of(intent: SendIntent) -> str:
    """What no two sends of a receiver share: an account's reference, since accounts share names."""
    return digest_of(f"{intent.account_id}\n{intent.external_reference_id}")
