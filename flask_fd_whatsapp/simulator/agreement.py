"""Checks that a ledger agrees with the simulator about every message."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import islice
from typing import Final, Protocol

from ..events import Status
from ..ledger import Message
from .clock import moment_of
from .journey import furthest
from .posts import Fate, Post
from .simulated_message import SimulatedMessage

BATCH: Final = 1000


class Readable(Protocol):
    """The part of a ledger that is needed here."""

    def messages(self, *, message_ids: Collection[str]) -> list[Message]:
        """Return the messages with these ids, of any account."""
        ...


def disagreements(
    ledger: Readable, messages: Iterable[SimulatedMessage]
) -> Iterator[tuple[SimulatedMessage, str]]:
    """Return the messages on which the ledger disagrees, and how.

    What was acknowledged or given up has to be in the ledger. What was being posted when the run
    was interrupted may be, since an answer can be lost, and so may what the API reported; nothing
    else may. The ledger is read in batches of :data:`BATCH` messages.
    """
    rest = iter(messages)
    while batch := list(islice(rest, BATCH)):
        found = ledger.messages(message_ids=[message.id for message in batch])
        known = {(one.account_id, one.message_id): one for one in found}
        for message in batch:
            for problem in _problems(message, known.get((message.account_id, message.id))):
                yield message, problem


def _problems(message: SimulatedMessage, known: Message | None) -> Iterator[str]:
    posted = [post for post in message.posts if post.tries and not post.is_garbled]
    sure = [post for post in posted if post.fate is Fate.ACKNOWLEDGED]
    there = dict(known.times) if known else {}
    sent = {post.step.status: post.step.timestamp for post in posted}
    yield from _missing(posted, there)
    if known is None:
        return
    told = _told(message, known)
    for status in sorted(there.keys() - sent.keys() - told):
        yield f"{status} is there, although it was never posted"
    for status in sorted((there.keys() & sent.keys()) - told):
        if there[status] != moment_of(sent[status]):
            yield f"{status} is of {there[status]}, not of {moment_of(sent[status])}"
    if known.status != furthest([*there]):
        yield f"its status is {known.status}, but should be {furthest([*there])}"
    yield from _details(message, known, sure)


def _told(message: SimulatedMessage, known: Message) -> set[str]:
    """The statuses that the API reported: those without a time, and QUEUED with the time of
    sending."""
    reached = {step.status for step in message.steps}
    sent_at = moment_of(message.sent_at // 1_000_000 * 1_000_000)  # the API has milliseconds
    queued = {Status.QUEUED} if known.times.get(Status.QUEUED) == sent_at else set()
    return reached & (known.estimated | queued)


def _missing(posted: list[Post], there: Mapping[str, object]) -> Iterator[str]:
    fates = {
        (post.step.status, post.fate): post for post in posted if post.step.status not in there
    }
    for (status, fate), post in fates.items():
        if fate is Fate.ACKNOWLEDGED:
            yield f"{status} is missing, although it was acknowledged"
        elif fate is Fate.GIVEN_UP and (status, Fate.ACKNOWLEDGED) not in fates:
            yield f"{status} is missing: given up after {post.tries} attempts, {post.problem}"


def _details(message: SimulatedMessage, known: Message, sure: list[Post]) -> Iterator[str]:
    """Compare reference and error, which only some events carry."""
    reference = message.external_reference_id
    allowed = _allowed(reference, _carry(sure, "external_reference_id"))
    if known.external_reference_id not in allowed:
        yield f"its reference is {known.external_reference_id!r}, not {reference!r}"
    failed = next((step.error for step in message.steps if step.error), None)
    error = None if known.error is None else (known.error.code, known.error.message)
    if error not in _allowed(failed, _carry(sure, "error")):
        yield f"its error is {error}, not {failed}"


def _carry(posts: list[Post], name: str) -> bool:
    return any(name in post.payload["data"] for post in posts)


def _allowed(value: object, is_sure: bool) -> list[object]:
    return [value] if is_sure else [value, None]
