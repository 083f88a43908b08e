"""*Messages*, a search and a filtered list, and *Message*, the story of one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

from flask import Response, abort, request

from ..durations import parse_duration
from ..events import Status
from ..exceptions import AmbiguousMessage
from ..failure_reasons import FailureClass
from ..ledger import Message
from ..ledger.listing import UNHEARD, MessageFilter
from .account_choice import accounts
from .csv_download import download
from .message_paging import PAGE, all_pages, paged
from .message_story import story
from .overview_page import classes_of
from .visit import Visit, argument

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
