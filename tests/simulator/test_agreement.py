"""What counts as agreement between a ledger and the simulator."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask

from flask_fd_whatsapp.events import DeliveryError, Status
from flask_fd_whatsapp.ledger import Ledger, Message
from flask_fd_whatsapp.simulator import FreshdeskSimulator, agreement
from flask_fd_whatsapp.simulator.agreement import disagreements
from flask_fd_whatsapp.simulator.clock import moment_of
from flask_fd_whatsapp.simulator.posts import Fate
from flask_fd_whatsapp.simulator.wsgi_transport import WSGITransport

from ..conftest import URL
from .conftest import MakeSimulator


class Altered:
    """A ledger that returns changed messages."""

    def __init__(self, ledger: Ledger, alter: Any) -> None:
        self._ledger = ledger
        self._alter = alter
        self.asked: list[Collection[str]] = []

    def messages(self, *, message_ids: Collection[str]) -> list[Message]:
        self.asked.append(message_ids)
        altered = map(self._alter, self._ledger.messages(message_ids=message_ids))
        return [message for message in altered if message is not None]


@pytest.fixture
def simulator(app: Flask, make_simulator: MakeSimulator) -> FreshdeskSimulator:
    """A simulator that has posted 30 messages into ``app``."""
    simulator = make_simulator(
        f"https://localhost{URL}",
        messages=30,
        make_transport=lambda url: WSGITransport(app.wsgi_app, url),
    )
    simulator.run()
    return simulator


def found(ledger: Any, simulator: FreshdeskSimulator) -> list[str]:
    return [problem for _, problem in disagreements(ledger, simulator.messages.values())]


def test_ledger_agrees_without_trouble(ledger: Ledger, simulator: FreshdeskSimulator) -> None:
    """After a normal run, ledger and simulator agree about every message."""
    assert found(ledger, simulator) == []


def test_the_ledger_is_asked_for_many_messages_at_once(
    ledger: Ledger, simulator: FreshdeskSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger is read once per batch, and every message is compared."""
    monkeypatch.setattr(agreement, "BATCH", 20)
    asked = Altered(ledger, lambda message: message)
    assert found(asked, simulator) == []
    assert [len(ids) for ids in asked.asked] == [20, 10]
    assert sorted(set().union(*asked.asked)) == sorted(simulator.messages)


ALTERATIONS: dict[str, Any] = {
    "unknown": lambda message: None,
    "status": lambda message: replace(message, status=Status.QUEUED),
    "missing": lambda message: replace(
        message, times={k: v for k, v in message.times.items() if k != "QUEUED"}
    ),
    "invented": lambda message: replace(
        message, times={**message.times, "PLAYED": message.times["QUEUED"]}
    ),
    "time": lambda message: replace(message, times=dict.fromkeys(message.times, None)),
    "reference": lambda message: replace(message, external_reference_id="other"),
    "no reference": lambda message: replace(message, external_reference_id=None),
    "error": lambda message: replace(message, error=DeliveryError("1", "other")),
}


@pytest.mark.parametrize("name", ALTERATIONS)
def test_every_disagreement_is_found(
    name: str, ledger: Ledger, simulator: FreshdeskSimulator
) -> None:
    """Every difference in a ledger is found."""
    assert len(found(Altered(ledger, ALTERATIONS[name]), simulator)) >= 20


def test_dropped_event_is_missed(ledger: Ledger, simulator: FreshdeskSimulator) -> None:
    """A given-up event is reported if missing, and accepted if present."""
    message = next(iter(simulator.messages.values()))
    message.posts[-1].fate = Fate.GIVEN_UP
    message.posts[-1].problem = "answered with 500"
    assert found(ledger, simulator) == []
    last = message.posts[-1].step.status

    def lose(known: Message) -> Message:
        if known.message_id != message.id:
            return known
        times = {status: time for status, time in known.times.items() if status != last}
        before = message.posts[-2].step.status
        return replace(known, times=times, status=Status(before), error=None)

    assert found(Altered(ledger, lose), simulator) == [
        f"{last} is missing: given up after 1 attempts, answered with 500"
    ]


def test_event_under_way_may_be_there(ledger: Ledger, simulator: FreshdeskSimulator) -> None:
    """An event in progress when the run was interrupted may be present or not."""
    for message in simulator.messages.values():
        for post in message.posts:
            post.fate = Fate.WAITING
    assert found(ledger, simulator) == []
    assert found(Altered(ledger, lambda message: None), simulator) == []


def test_what_the_api_told_may_be_there(ledger: Ledger, simulator: FreshdeskSimulator) -> None:
    """A status that was asked about may be present without having been posted; one that never
    happened may not.
    """
    for message in simulator.messages.values():
        for post in message.posts:
            post.tries, post.fate = 0, Fate.SPOILT

    def told(known: Message, **changes: Any) -> Message:
        times = {str(known.status): known.times["QUEUED"]}
        estimated = frozenset(times)
        return replace(known, **{"times": times, "estimated": estimated, **changes})

    def just_sent(known: Message) -> Message:
        sent_at = simulator.messages[known.message_id].sent_at
        times = {"QUEUED": moment_of(sent_at // 1_000_000 * 1_000_000)}
        return told(known, status=Status.QUEUED, times=times, estimated=frozenset())

    def invented(known: Message) -> Message:
        times = {"QUEUED": known.times["QUEUED"], "PLAYED": known.times["QUEUED"]}
        return told(known, status=Status.QUEUED, times=times, estimated=frozenset(times))

    assert found(Altered(ledger, told), simulator) == []
    assert found(Altered(ledger, just_sent), simulator) == []
    assert set(found(Altered(ledger, invented), simulator)) == {
        "PLAYED is there, although it was never posted"
    }
