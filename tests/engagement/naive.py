"""Journeys of messages, and their figures directly from the definitions' wording."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from flask_fd_whatsapp.engagement.definitions import AGES, COUNTS, LATE, WAYS, bit_of
from flask_fd_whatsapp.engagement.facts import Facts
from flask_fd_whatsapp.engagement.rates import Rate
from flask_fd_whatsapp.failure_reasons import classify

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
STATUSES = ("QUEUED", "SENT", "DELIVERED", "READ", "FAILED")


@dataclass
class Journey:
    """What happened to one message."""

    message_id: str
    account_id: str = "1"
    campaign: str | None = None
    template: str | None = None
    expected_at: datetime | None = None
    times: dict[str, datetime] = field(default_factory=dict)
    estimated: set[str] = field(default_factory=set)
    code: str | None = None
    is_returned: bool = False

    @property
    def sent_on(self) -> datetime | None:
        """Its QUEUED time, else when it was expected, else the earliest, a sure one if any."""
        sure = [t for status, t in self.times.items() if status not in self.estimated]
        return self.times.get("QUEUED") or self.expected_at or min(sure or self.times.values())

    @property
    def facts(self) -> Facts:
        """As a ledger's row has it."""
        return Facts(
            sent_on=self.sent_on,
            queued_at=self.times.get("QUEUED"),
            sent_at=self.times.get("SENT"),
            failed_at=self.times.get("FAILED"),
            delivered_at=self.times.get("DELIVERED"),
            read_at=self.times.get("READ"),
            is_heard=bool(self.times),
            estimated=sum(bit_of(one) for one in self.estimated if one in STATUSES) or None,
            is_returned=self.is_returned or None,
            account_id=self.account_id,
            message_id=self.message_id,
            campaign=self.campaign,
            template=self.template,
            error_code=self.code,
            error_message=None,
            receiver="fd_whatsapp",
        )


def journeys(seed: int, count: int, *, now: datetime = NOW) -> list[Journey]:
    """Random ones, of forty days, with every kind of gap."""
    chance = random.Random(seed)
    return [_journey(chance, number, now) for number in range(count)]


def _journey(chance: random.Random, number: int, now: datetime) -> Journey:
    sent = now - timedelta(seconds=chance.choice((1e3, 1e5, 3.4e6)) * chance.random())
    sent = sent.replace(microsecond=chance.choice((0, 1, 999_999)))
    journey = Journey(
        message_id=f"M{number}",
        account_id=chance.choice("123"),
        campaign=chance.choice((None, "spring", "autumn")),
        template=chance.choice((None, "order_update")),
    )
    if chance.random() < 0.2:
        journey.expected_at = sent
    moment = sent
    for status in STATUSES:
        if chance.random() < (0.3 if status == "FAILED" else 0.7):
            step = chance.choice((0, 0.0004, 40, 60, 300, 4000, 1e5, 3e6)) * chance.random()
            moment += timedelta(seconds=step) * chance.choice((1, 1, 1, 1, -0.01))
            journey.times[status] = moment.astimezone(UTC)
            if chance.random() < 0.1:
                journey.estimated.add(status)
    if not journey.times and journey.expected_at is None:
        journey.times["ACCEPTED"] = sent
    if "FAILED" in journey.times:
        journey.code = chance.choice((None, "131026", "INVALID", "131049"))
    return journey


def figures_of(known: Iterable[Journey], now: datetime = NOW) -> dict[str, Any]:
    """All figures of journeys, each counted separately."""
    known = list(known)
    reached = [set(journey.times) for journey in known]
    delivered = [bool(one & {"DELIVERED", "READ"}) for one in reached]
    failed = ["FAILED" in one and not d for one, d in zip(reached, delivered, strict=True)]
    submitted = ["SENT" in one or d for one, d in zip(reached, delivered, strict=True)]
    pending = [not d and not f for d, f in zip(delivered, failed, strict=True)]
    awaiting = [p and "SENT" in one for p, one in zip(pending, reached, strict=True)]
    unheard = [not one for one in reached]
    reasons: defaultdict[tuple[Any, Any], int] = defaultdict(int)
    for journey, is_failed in zip(known, failed, strict=True):
        if is_failed:
            reasons[classify(journey.code), journey.code] += 1
    return {
        "known": len(known),
        "submitted": sum(submitted),
        "delivered": sum(delivered),
        "read": sum("READ" in one for one in reached),
        "failed": sum(failed),
        "failed_before": sum(f and not s for f, s in zip(failed, submitted, strict=True)),
        "failed_after": sum(f and s for f, s in zip(failed, submitted, strict=True)),
        "failed_but_arrived": sum(
            "FAILED" in one and d for one, d in zip(reached, delivered, strict=True)
        ),
        "pending": sum(pending),
        "unheard": sum(unheard),
        "awaiting": sum(awaiting),
        "queued": sum(pending) - sum(unheard) - sum(awaiting),
        "young": sum(now - j.sent_on < timedelta(hours=24) for j in known if j.sent_on),
        "reasons": dict(reasons),
        "time_to_submit": elapsed(known, "QUEUED", "SENT"),
        "time_to_deliver": elapsed(known, "SENT", "DELIVERED"),
        "time_to_read": elapsed(known, "DELIVERED", "READ"),
        "sent_to_read": elapsed(known, "SENT", "READ"),
        "curve": [curve_at(known, age, now) for age in AGES],
        "late": [late_than(known, bound) for bound in LATE],
    }


def measured(known: Iterable[Journey], start: str, end: str) -> list[timedelta]:
    """The times between two statuses that are WhatsApp's own."""
    both = {start, end}
    return [
        journey.times[end] - journey.times[start]
        for journey in known
        if both <= set(journey.times) and not both & journey.estimated
    ]


def elapsed(known: list[Journey], start: str, end: str) -> tuple[Any, ...]:
    """``n``, three percentiles by nearest rank, ``left_out``, ``negative`` and the histogram."""
    took = measured(known, start, end)
    values = sorted(max(one, timedelta()) for one in took)
    ranks = [-(-len(values) * p // 100) for p in (50, 90, 99)]
    bounds = [timedelta(-1), *AGES, timedelta.max]
    return (
        len(values),
        *(values[rank - 1] if values else None for rank in ranks),
        sum(end in journey.times for journey in known) - len(values),
        sum(one < timedelta() for one in took),
        [sum(a < one <= b for one in values) for a, b in pairwise(bounds)],
    )


def curve_at(known: list[Journey], age: timedelta, now: datetime) -> tuple[int, int, int, int]:
    """Of those as old: how many, delivered within it, read within it, and left out."""
    n = delivered = read = left_out = 0
    for journey in known:
        reached, sent_on = set(journey.times), journey.sent_on
        if not reached & {"SENT", "DELIVERED", "READ"} or sent_on is None or now - sent_on < age:
            continue
        arrived = "DELIVERED" if "DELIVERED" in reached else "READ"
        if {arrived, "READ"} & reached & journey.estimated:
            left_out += 1
            continue
        n += 1
        delivered += arrived in reached and journey.times[arrived] - sent_on <= age
        read += "READ" in reached and journey.times["READ"] - sent_on <= age
    return n, delivered, read, left_out


def late_than(known: list[Journey], bound: timedelta) -> Rate:
    """The share of deliveries that took longer."""
    took = measured(known, "SENT", "DELIVERED")
    return Rate(sum(one > bound for one in took), len(took))


def told(figures: Any) -> dict[str, Any]:
    """A :class:`Figures` in the words of :func:`figures_of`."""
    made: dict[str, Any] = {name: getattr(figures, name) for name in ("known", "young", *COUNTS)}
    made["reasons"] = {
        (one.failure_class, one.code): one.count.numerator for one in figures.failures
    }
    for name in (way.name for way in WAYS):
        one = getattr(figures, name)
        counts = [bin_.count for bin_ in one.histogram]
        made[name] = (one.n, one.p50, one.p90, one.p99, one.left_out, one.negative, counts)
    made["curve"] = [
        (one.n, one.delivered.numerator, one.read.numerator, one.left_out) for one in figures.curve
    ]
    made["late"] = [one.rate for one in figures.late]
    return made
