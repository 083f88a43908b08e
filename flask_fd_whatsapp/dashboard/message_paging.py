"""The pages of a list of messages, and where each begins, as in its URL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from ..failure_reasons import FailureClass
from ..ledger import Message
from ..ledger.listing import ListedMessage, MessageFilter, Place
from .overview_page import classes_of
from .visit import Visit, argument

PAGE: Final = 25
BATCH: Final = 500
LOOKED_THROUGH: Final = 10_000
"""How many messages are scanned at most for a page of one class."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paged:
    """One page of a list.

    :param newer: where the previous page begins, as in the URL; ``None`` if there is none.
    :param older: where the next page begins.
    """

    rows: Sequence[ListedMessage]
    newer: str | None
    older: str | None
    size: int = PAGE


def paged(visit: Visit, wanted: MessageFilter, *, only: FailureClass | None = None) -> Paged:
    """The page that the URL's ``before`` or ``after`` selects, latest sent first.

    :param only: only messages with failures of this class; the ledger knows codes, not classes.
    """
    before, after = _place("before", visit), _place("after", visit)
    if after is not None:
        found = _some(visit, wanted, only, after=after)
        more, rows = len(found) > PAGE, found[:PAGE][::-1]
        has_newer, has_older = more, True
    else:
        found = _some(visit, wanted, only, before=before)
        rows = found[:PAGE]
        has_newer, has_older = before is not None, len(found) > PAGE
    return Paged(
        rows=rows,
        newer=_token(rows[0].place) if rows and has_newer else None,
        older=_token(rows[-1].place) if rows and has_older else None,
    )


def _some(
    visit: Visit,
    wanted: MessageFilter,
    only: FailureClass | None,
    *,
    before: Place | None = None,
    after: Place | None = None,
) -> list[ListedMessage]:
    """Return at most one more than a page; for a class, from the next :data:`LOOKED_THROUGH`."""
    browser = visit.ledger.browser
    if only is None:
        return browser.page(wanted, before=before, after=after, limit=PAGE + 1)
    class_of = classes_of(visit)
    found: list[ListedMessage] = []
    for _ in range(LOOKED_THROUGH // BATCH):
        batch = browser.page(wanted, before=before, after=after, limit=BATCH)
        found += [
            one
            for one in batch
            if class_of(one.message.error.code if one.message.error else None) is only
        ]
        if len(found) > PAGE or len(batch) < BATCH:
            break
        if after is None:
            before = batch[-1].place
        else:
            after = batch[-1].place
    return found[: PAGE + 1]


def all_pages(visit: Visit, wanted: MessageFilter) -> Iterator[Message]:
    """Every message, in batches: nothing is held open in between."""
    place = None
    while True:
        batch = visit.ledger.browser.page(wanted, before=place, limit=BATCH)
        yield from (one.message for one in batch)
        if len(batch) < BATCH:
            return
        place = batch[-1].place


def _token(place: Place) -> str:
    """Return a position as in the URL: microseconds and the ledger's id."""
    moment = place.sent_on.astimezone(UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return f"{since // timedelta(microseconds=1)}-{place.key}"


def _place(name: str, visit: Visit) -> Place | None:
    text = argument(name)
    if text is None:
        return None
    moment, _, key = text.partition("-")
    try:
        sent_on = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(moment))
        place = Place(sent_on, int(key))
    except (ValueError, OverflowError):
        place = None
    if place is None or not 0 <= place.key < 2**63:
        visit.notes.append("The place in the list could not be read: this is its beginning.")
        return None
    return place
