"""The story of one message: its events in order, its handlers, and its payloads if allowed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from ..events import WEBHOOK, Status
from ..ledger import Event, Message, State
from ..ledger.listing import EventDetail, Handling
from .charts import Chart, Step, timeline
from .visit import Visit

MOST_EVENTS: Final = 200

LATE: Final = timedelta(minutes=10)

HIDDEN: Final = "(hidden)"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldEvent:
    """An event with notes about it.

    :param after: the time since the first event, by WhatsApp's clock; ``None`` for the first.
    :param marks: ``late``, ``stale``, ``superseded``, ``estimated``.
    :param notes: a sentence for each mark.
    """

    event: Event
    detail: EventDetail | None
    after: timedelta | None
    lag: timedelta
    marks: Sequence[str]
    notes: Sequence[str]
    handlings: Sequence[Handling]

    @property
    def done(self) -> int:
        """How many handlers have succeeded."""
        return sum(one.state == "done" for one in self.handlings)

    @property
    def smooth(self) -> list[Handling]:
        """The handlers that succeeded at the first attempt."""
        return [one for one in self.handlings if one.state == "done" and not one.attempts]

    @property
    def smooth_count(self) -> int:
        """How many handlers succeeded at the first attempt."""
        return len(self.smooth)

    @property
    def rough(self) -> list[Handling]:
        """The other handlers, which are worth a note."""
        return [one for one in self.handlings if one not in self.smooth]

    @property
    def superseded(self) -> int:
        """How many handlers no longer need to be called."""
        return sum(one.state == "superseded" for one in self.handlings)


def story(visit: Visit, one: Message) -> dict[str, Any] | None:
    """The context of its page; ``None`` if these pages may not show it."""
    events = visit.ledger.events(
        message_id=one.message_id, account_id=one.account_id, after=0, limit=MOST_EVENTS
    )
    receivers = {event.receiver for event in events}
    if visit.options.receiver is not None and events and visit.options.receiver not in receivers:
        return None
    details = {
        detail.event_id: detail
        for detail in visit.ledger.browser.details(one.message_id, one.account_id)
    }
    events.sort(key=lambda event: (event.timestamp, event.id))
    told = [_told(event, events, details.get(event.id), one) for event in events]
    return {
        "told": told,
        "receivers": sorted(receivers),
        "verdict": verdict(one),
        "chart_data": _chart(told) if told else None,
        "unfinished": [each for each in told if each.event.state is not State.DONE],
        "actors": _actors(details.values()) if visit.options.show_actors else None,
        "payloads": [(each, _payload(each.detail, visit)) for each in told if each.detail]
        if visit.options.show_payloads
        else None,
    }


def verdict(one: Message) -> str:
    """Whether it arrived, in one sentence."""
    has_failed = Status.FAILED in one.times
    match one.status:
        case Status.READ if has_failed:
            return "It arrived and was read. A failure was reported too, and can be ignored."
        case Status.READ:
            return "It arrived and was read."
        case Status.DELIVERED if has_failed:
            return "It arrived. A failure was reported too, and can be ignored."
        case Status.DELIVERED:
            return "It arrived. It has not been read yet, or the recipient has read receipts off."
        case Status.FAILED:
            return "It failed: the recipient did not get it."
        case Status.SENT:
            return "WhatsApp has accepted it. Whether it arrived is not known yet."
        case Status.QUEUED:
            return "Freshdesk has it, and has not handed it to WhatsApp yet, as far as is known."
    if one.times:
        return "Only undocumented statuses have been received for it."
    return "No event has arrived for it yet."


def _told(
    event: Event, events: Sequence[Event], detail: EventDetail | None, one: Message
) -> ToldEvent:
    handlings = list(detail.handlings) if detail else []
    marks: dict[str, str] = {}
    if event.status == Status.DELIVERED:
        sent = next((each for each in events if each.status == Status.SENT), None)
        if sent is not None and event.timestamp - sent.timestamp > LATE:
            marks["late"] = "More than 10 minutes after SENT: the phone may have been off."
    if event.is_stale:
        marks["stale"] = "The message had already moved on when it arrived."
    if any(each.state == "superseded" for each in handlings):
        marks["superseded"] = "A handler was not called again, since the message had moved on."
    if event.source != WEBHOOK:
        marks["estimated"] = (
            "The webhook did not arrive. Freshdesk was asked, and reports no time, so it is left "
            "out of the times."
        )
    first = events[0]
    return ToldEvent(
        event=event,
        detail=detail,
        after=None if event is first else event.timestamp - first.timestamp,
        lag=event.received_at - event.timestamp,
        marks=list(marks),
        notes=list(marks.values()),
        handlings=handlings,
    )


def _chart(told: Sequence[ToldEvent]) -> Chart:
    first = told[0].event.timestamp
    steps, last_sure = [], 0.0
    for each in told:
        after = (each.event.timestamp - first).total_seconds()
        is_estimated = "estimated" in each.marks
        steps.append(
            Step(
                status=each.event.status,
                after=after,
                lag=None if is_estimated else each.lag.total_seconds(),
                guessed_from=last_sure if is_estimated else None,
                marks=each.marks,
            )
        )
        if not is_estimated:
            last_sure = after
    note = "Time since the first event, on a logarithmic scale."
    return timeline(steps, "tim", "What happened", note)


def _actors(details: Any) -> list[str]:
    """Who sent it, according to the payloads."""
    names: dict[str, None] = {}
    for detail in details:
        actor = _loaded(detail.body).get("actor")
        name = actor.get("name") if isinstance(actor, dict) else actor
        if name:
            names[str(name)] = None
    return list(names)


def _loaded(body: str) -> dict[str, Any]:
    try:
        loaded = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return loaded if isinstance(loaded, dict) else {}


def _payload(detail: EventDetail | None, visit: Visit) -> str:
    """The payload, indented; without agents' names unless they are shown."""
    body = detail.body if detail else ""
    loaded = _loaded(body)
    if not loaded:
        return body if visit.options.show_actors else HIDDEN
    if not visit.options.show_actors:
        actor = loaded.get("actor")
        if isinstance(actor, dict):
            loaded["actor"] = {
                key: HIDDEN if key not in ("id", "type") else value for key, value in actor.items()
            }
        elif actor is not None:
            loaded["actor"] = HIDDEN
    return json.dumps(loaded, indent=1, ensure_ascii=False)
