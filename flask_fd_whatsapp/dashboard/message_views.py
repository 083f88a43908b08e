"""*Messages*, a search and a filtered list, and *Message*, the story of one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from flask import Response, abort, request

from ..durations import parse_duration
from ..events import Status
from ..exceptions import AmbiguousMessage
from ..failure_reasons import FailureClass
from ..ledger import Message
from ..ledger.listing import UNHEARD, ListedMessage, MessageFilter, Place
from .account_choice import accounts
from .csv_download import download
from .message_story import story
from .overview_page import classes_of
from .visit import Visit, argument

PAGE: Final = 25
BATCH: Final = 500
LOOKED_THROUGH: Final = 10_000
"""How many messages are scanned at most for a page of one class."""

STATUSES: Final = (UNHEARD, *Status)

LONGEST_STUCK: Final = timedelta(days=36_500)

STUCK: Final = {"1h": "1 hour", "1d": "1 day", "7d": "7 days"}

HEAD: Final = (
    "account_id",
    "message_id",
    "external_reference_id",
    "campaign",
    "status",
    "queued_at",
    "sent_at",
    "delivered_at",
    "read_at",
    "failed_at",
    "failure_code",
    "failure_text",
    "failure_class",
    "advice",
    "is_permanent",
    "arrived",
)


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


def messages(visit: Visit) -> tuple[str, dict[str, Any]]:
    """The list."""
    wanted = _wanted(visit)
    return "messages.html", {
        "page": paged(visit, wanted, only=_class()),
        "wanted": wanted,
        "has_period": _has_period(),
        "class_of": classes_of(visit),
        "statuses": STATUSES,
        "stuck_choices": STUCK,
        "failure_classes": list(FailureClass),
        "chosen_class": _class(),
        "accounts": accounts(visit),
    }


def messages_csv(visit: Visit) -> Response:
    """All messages that match the filters."""
    class_of, only = classes_of(visit), _class()

    def lines() -> Iterator[tuple[object, ...]]:
        for one in all_pages(visit, _wanted(visit)):
            failure_class = class_of(one.error.code) if one.error else None
            if only in (None, failure_class):
                yield tuple(row_of(one, failure_class).values())

    return download("messages", visit, HEAD, lines())


def row_of(one: Message, failure_class: FailureClass | None) -> dict[str, object]:
    """A row of a CSV: without payloads, and without anybody's name."""
    error = one.error
    has_failed = failure_class is not None and Status.FAILED in one.times
    return {
        "account_id": one.account_id,
        "message_id": one.message_id,
        "external_reference_id": one.external_reference_id,
        "campaign": one.campaign,
        "status": one.status or next(iter(one.times), UNHEARD),
        **{f"{status.lower()}_at": one.times.get(status) for status in Status},
        "failure_code": error.code if error else None,
        "failure_text": error.message if error else None,
        "failure_class": failure_class.value if has_failed and failure_class else None,
        "advice": failure_class.advice if has_failed and failure_class else None,
        "is_permanent": failure_class.is_permanent if has_failed and failure_class else None,
        "arrived": has_arrived(one) if has_failed else None,
    }


def has_arrived(one: Message) -> bool:
    """Whether it arrived, whatever was reported before."""
    return one.status in (Status.DELIVERED, Status.READ)


def message(visit: Visit) -> tuple[str, dict[str, Any]] | Response:
    """What became of one message."""
    message_id = argument("id")
    if message_id is None:
        abort(404)
    try:
        one = visit.ledger.message(message_id, visit.account)
    except AmbiguousMessage:
        listed = visit.ledger.browser.page(
            MessageFilter(search=message_id, receiver=visit.narrowed), limit=PAGE
        )
        several = [each.message for each in listed if each.message.message_id == message_id]
        return "message-several.html", {"message_id": message_id, "found": several}
    told = None if one is None else story(visit, one)
    if one is None or told is None:
        return "message-missing.html", {"message_id": message_id}
    return "message.html", {
        "message": one,
        "classified": classes_of(visit)(one.error.code) if one.error else None,
        "arrived": has_arrived(one),
        **told,
    }


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


def _has_period() -> bool:
    return argument("since") is not None or argument("until") is not None


def _class() -> FailureClass | None:
    try:
        return FailureClass(argument("failure") or argument("class") or "")
    except ValueError:
        return None


def _wanted(visit: Visit) -> MessageFilter:
    status = argument("status")
    if status is not None and status not in STATUSES:
        visit.notes.append(f"There is no status “{status}”.")
        status = None
    campaign: Any = argument("campaign") or ...
    stuck = argument("stuck_for")
    stuck_since = None
    if stuck is not None:
        length = parse_duration(stuck)
        if length is None or length > LONGEST_STUCK:
            visit.notes.append(f"“{stuck}” is no length of time such as 1h or 7d.")
        else:
            stuck_since = visit.now - length
    has_period = _has_period()
    return MessageFilter(
        search=argument("q"),
        status=status,
        campaign=None if "without" in request.args else campaign,
        account_id=visit.account,
        receiver=visit.narrowed,
        failed=True if _class() is not None else None,
        since=visit.period.since if has_period else None,
        until=visit.period.until if has_period else None,
        stuck_since=stuck_since,
    )
