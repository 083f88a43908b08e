"""The report of a run: counted as it goes, and shown as a table."""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .posts import Post


def percentile(values: list[float], percent: float) -> float | None:
    """Return the smallest of *values* that *percent* of them do not exceed (nearest rank)."""
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


@dataclass(eq=False)
class Report:
    """The counts of a run; its methods may be called by several threads.

    Every event and copy ends up acknowledged, given up or left; garbled bodies are counted
    separately.

    :param messages: how many were sent.
    :param events: how many events they have.
    :param copies: how many duplicates of these were to be posted.
    :param garbled: how many broken bodies were posted in addition.
    :param posted: requests with any of these, including retries.
    :param acknowledged: events and copies answered with 2xx.
    :param tried_again: retries.
    :param given_up: events and copies not acknowledged at their last attempt.
    :param left: events and copies that were not settled when the run ended.
    :param withheld: events and copies that came due while the webhook was disabled.
    :param alerts: alert e-mails sent.
    :param answers: the number of each status, ``timeout``, ``unreachable``, ``broken`` and ``cut``.
    :param probes: answers to the requests sent when the form was saved.
    :param redirects: where posts were redirected to, and how often.
    :param latencies: how long answers took, in real seconds.
    """

    messages: int = 0
    events: int = 0
    copies: int = 0
    garbled: int = 0
    posted: int = 0
    acknowledged: int = 0
    tried_again: int = 0
    given_up: int = 0
    left: int = 0
    withheld: int = 0
    alerts: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    probes: Counter[str] = field(default_factory=Counter)
    redirects: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def count(self, **numbers: int) -> None:
        """Add to the named counts."""
        with self._lock:
            for name, number in numbers.items():
                setattr(self, name, getattr(self, name) + number)

    def made(self, posts: Sequence[Post]) -> None:
        """A message with these posts was sent."""
        garbled = sum(post.is_garbled for post in posts)
        copies = sum(post.is_copy for post in posts) - garbled
        events = len(posts) - garbled - copies
        self.count(messages=1, events=events, copies=copies, garbled=garbled, left=events + copies)

    def answered(self, answer: str, seconds: float | None) -> None:
        """A request was answered, or not."""
        with self._lock:
            self.posted += 1
            self.answers[answer] += 1
            if seconds is not None:
                self.latencies.append(seconds)

    def redirected(self, location: str) -> None:
        """A post was answered with a redirect, which is not followed."""
        with self._lock:
            self.redirects[location] += 1

    def probed(self, what: str) -> None:
        """A probe was answered, or not."""
        with self._lock:
            self.probes[what] += 1

    def settled(self, post: Post, how: str) -> None:
        """A post was settled: ``acknowledged``, ``given_up`` or ``withheld``."""
        if not post.is_garbled:
            self.count(left=-1, **{how: 1})

    @property
    def has_answers(self) -> bool:
        """Whether there was any answer at all."""
        return bool(self.latencies)

    def latency(self) -> dict[str, float | None]:
        """Median, 95th and 99th percentile, in milliseconds."""
        with self._lock:
            values = list(self.latencies)
        found = {name: percentile(values, percent) for name, percent in _PERCENTILES.items()}
        return {
            name: None if value is None else round(value * 1000, 1) for name, value in found.items()
        }

    def as_dict(self) -> dict[str, Any]:
        """The report for programs."""
        return {
            **{name: getattr(self, name) for name in _LABELS},
            "answers": dict(sorted(self.answers.items())),
            "probes": dict(sorted(self.probes.items())),
            "redirects": dict(sorted(self.redirects.items())),
            "latency_ms": self.latency(),
        }

    def rows(self) -> list[tuple[str, str]]:
        """The report for people: labels and values."""
        always = ("messages", "events", "posted", "acknowledged", "tried_again", "given_up")
        rows = [
            (label, str(getattr(self, name)))
            for name, label in _LABELS.items()
            if name in always or getattr(self, name)
        ]
        rows += [(f"Answers {status}", str(n)) for status, n in sorted(self.answers.items())]
        rows += [(f"Probes {what}", str(n)) for what, n in sorted(self.probes.items())]
        rows += [("Redirected to", place) for place in sorted(self.redirects)]
        for name, value in self.latency().items():
            rows.append((f"Latency {name}", "-" if value is None else f"{value} ms"))
        return rows


_PERCENTILES = {"median": 50, "95 %": 95, "99 %": 99}

_LABELS = {
    "messages": "Messages sent",
    "events": "Events made",
    "copies": "Copies of events",
    "garbled": "Garbled bodies",
    "posted": "Posted",
    "acknowledged": "Acknowledged",
    "tried_again": "Retried",
    "given_up": "Given up",
    "withheld": "Withheld while disabled",
    "left": "Left when the run ended",
    "alerts": "Alert e-mails",
}
