"""What needs attention: the rules, each of them a pure function.

``flask fd-whatsapp status`` uses them, and so does everything else that shows the state of a
receiver, so that all agree.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any, Final

from ..ledger import Backlog
from ..receiving.receiver import Receiver
from .standing import Standing
from .wording import many, span


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The thresholds, by name of the rule; ``None`` switches a rule off.

    :param trial_write: whether it is a problem if the ledger cannot be written.
    :param max_dead: dead events that nobody has acknowledged.
    :param max_rejected: how much newer than the last accepted event a rejected request may be;
        those that carried none of the configured headers, or are acknowledged, do not count. With
        many accounts, each is checked separately: see :func:`.standing_of`.
    :param max_overdue: how long an event may be due without being claimed.
    :param max_failing: how long an event's handlers may keep failing.
    :param max_handling: how long one attempt at an event may last, all its handlers together.
    :param max_unheard: how long after a send the next webhook may take to arrive.
    :param max_told: events that only the API reported in the last 24 hours: the webhook lost them.
    :param max_silence: the longest time without an event.
    :param max_pending: pending events.
    """

    trial_write: bool | None = True
    max_dead: int | None = 0
    max_rejected: timedelta | None = timedelta(0)
    max_overdue: timedelta | None = timedelta(minutes=15)
    max_failing: timedelta | None = timedelta(hours=1)
    max_handling: timedelta | None = timedelta(minutes=5)
    max_unheard: timedelta | None = timedelta(minutes=10)
    max_told: int | None = 0
    max_silence: timedelta | None = None
    max_pending: int | None = None


def limits_of(receiver: Receiver, **chosen: Any) -> Limits:
    """Return the limits of *receiver*: the defaults, its settings, and the chosen overrides."""
    seconds = getattr(receiver.settings, "handler_seconds", 300)
    handling = None if seconds is None else timedelta(seconds=seconds)
    return Limits(**{"max_handling": handling, **chosen})


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The result of a rule.

    :param rule: the name of the rule, which is that of its limit.
    :param limit: ``None`` if it is switched off.
    :param found: what is compared with the limit, ``None`` if there is nothing, or it is unknown.
    :param problem: what is wrong and what to do, ``None`` if nothing is wrong.
    """

    rule: str
    limit: Any
    found: Any = None
    problem: str | None = None


def findings(standing: Standing, limits: Limits) -> list[Finding]:
    """Return the result of each rule, in the order of :class:`Limits`."""
    found = []
    for item in fields(limits):
        limit = getattr(limits, item.name)
        if limit is None or standing.backlog is None:
            found.append(Finding(rule=item.name, limit=limit))
        else:
            value, problem = _RULES[item.name](standing, limit)
            found.append(Finding(rule=item.name, limit=limit, found=value, problem=problem))
    return found


def problems(standing: Standing, limits: Limits) -> list[str]:
    """Return what is wrong and what to do, one sentence each; empty if nothing needs attention."""
    unreadable = standing.unreadable
    told = [] if unreadable is None else [f"The ledger cannot be used: {unreadable}"]
    return told + [one.problem for one in findings(standing, limits) if one.problem is not None]


Found = tuple[Any, str | None]


def _trial_write(standing: Standing, limit: bool) -> Found:
    reason = standing.unwritable
    if reason is None:
        return True, None
    return False, f"the ledger can be read, but not written: events are answered with 503. {reason}"


def _max_dead(standing: Standing, limit: int) -> Found:
    count = _backlog(standing).unacknowledged
    return count, _if(
        count > limit,
        f"{many(count, 'dead event')} that nobody has acknowledged: `flask fd-whatsapp events "
        "--state dead` lists them, `retry --dead` revives them, `acknowledge` ends this warning.",
    )


def _max_rejected(standing: Standing, limit: timedelta) -> Found:
    mine = (one for one in standing.rejections if one.is_open and one.receiver == standing.receiver)
    last = next(mine, None)
    if last is None:
        return None, _accounts_turned_away(standing)
    accepted = _backlog(standing).last_received
    newer = None if accepted is None else max(last.last_seen - accepted, timedelta())
    ago = span(standing.age(last.last_seen) or timedelta())
    return newer, _if(
        newer is None or newer > limit,
        f"the last request, {ago} ago, was rejected ({last.status_code} {last.reason}), and none "
        f"has been accepted since: {last.detail}",
    ) or _accounts_turned_away(standing)


def _accounts_turned_away(standing: Standing) -> str | None:
    """Of many accounts, the one rejected last of those without an accepted event since."""
    away = standing.turned_away
    last = next((one for one in standing.rejections if one.is_open and one.receiver in away), None)
    if last is None:
        return None
    ago = span(standing.age(last.last_seen) or timedelta())
    others = (
        f" The same is true of {many(len(away) - 1, 'other account')}." if len(away) > 1 else ""
    )
    return (
        f"the last request to {last.receiver}, {ago} ago, was rejected ({last.status_code} "
        f"{last.reason}), and none has been accepted since: {last.detail}{others}"
    )


def _max_overdue(standing: Standing, limit: timedelta) -> Found:
    age = standing.age(_backlog(standing).oldest_due)
    if age is None:
        return None, None
    return age, _if(
        age > limit,
        f"an event has been due for {span(age)}, which is more than {span(limit)}, and no process "
        "has picked it up: check that `flask fd-whatsapp retry` is running, or Celery's workers "
        "and beat.",
    )


def _max_failing(standing: Standing, limit: timedelta) -> Found:
    age = standing.age(_backlog(standing).failing_since)
    if age is None:
        return None, None
    return age, _if(
        age > limit,
        f"handlers keep failing on an event that was received {span(age)} ago, which is more than "
        f"{span(limit)}: "
        "`flask fd-whatsapp events --state pending` shows the errors.",
    )


def _max_handling(standing: Standing, limit: timedelta) -> Found:
    if not standing.being_handled:
        return None, None
    longest = standing.being_handled[0]
    age = standing.as_of - longest.since
    return age, _if(
        age > limit,
        f"event {longest.event_id}, {longest.status} of message {longest.message_id}, has been "
        f"handled for {span(age)}, which is more than {span(limit)} (one attempt, all its handlers "
        "together): the log names the handler that hangs, if one does.",
    )


def _max_unheard(standing: Standing, limit: timedelta) -> Found:
    age = standing.age(standing.sends.unheard_since)
    if age is None:
        return None, None
    return age, _if(
        age > limit,
        f"a message was sent {span(age)} ago, which is more than {span(limit)}, and no webhook has "
        "arrived since: check that Freshdesk's webhook is enabled, and that its URL and headers "
        "are right; then `flask fd-whatsapp reconcile --recheck --since <when it broke>` recovers "
        "what was lost.",
    )


def _max_told(standing: Standing, limit: int) -> Found:
    count = standing.told
    return count, _if(
        count > limit,
        f"{many(count, 'event')} of the last 24 hours had to be recovered by `reconcile`: the "
        "webhook loses events. `flask fd-whatsapp events --source api` lists them.",
    )


def _max_silence(standing: Standing, limit: timedelta) -> Found:
    age = standing.age(_backlog(standing).last_received)
    if age is None:
        return None, "no event has been accepted yet."
    return age, _if(age > limit, f"no event for {span(age)}, which is more than {span(limit)}.")


def _max_pending(standing: Standing, limit: int) -> Found:
    count = _backlog(standing).pending
    return count, _if(count > limit, f"{many(count, 'event')} pending, which is more than {limit}.")


_RULES: Final[Mapping[str, Callable[[Standing, Any], Found]]] = {
    "trial_write": _trial_write,
    "max_dead": _max_dead,
    "max_rejected": _max_rejected,
    "max_overdue": _max_overdue,
    "max_failing": _max_failing,
    "max_handling": _max_handling,
    "max_unheard": _max_unheard,
    "max_told": _max_told,
    "max_silence": _max_silence,
    "max_pending": _max_pending,
}


def _backlog(standing: Standing) -> Backlog:
    assert standing.backlog is not None
    return standing.backlog


def _if(is_wrong: bool, problem: str) -> str | None:
    return problem if is_wrong else None
