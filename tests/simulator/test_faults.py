"""What each fault does to the events of many messages."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from marshmallow import ValidationError

from flask_fd_whatsapp import OutboundMessageEventSchema
from flask_fd_whatsapp.events import Status, rank_of
from flask_fd_whatsapp.simulator import (
    FAULTS,
    Fault,
    FreshdeskSimulator,
    SimulatedMessage,
    UnknownFault,
)
from flask_fd_whatsapp.simulator.clock import HOUR, SECOND
from flask_fd_whatsapp.simulator.posts import Manner, Post

REQUEST_FAULTS = {
    "content-type": lambda post: post.content_type != "application/json",
    "wrong-token": lambda post: post.wrong_token,
    "slow-sender": lambda post: post.manner is Manner.SLOW,
    "cut-before-answer": lambda post: post.manner is Manner.CUT_BEFORE_ANSWER,
    "cut-after-answer": lambda post: post.manner is Manner.CUT_AFTER_ANSWER,
}


def sent(*faults: str | Fault, messages: int = 150) -> list[SimulatedMessage]:
    simulator = FreshdeskSimulator(seed=1, faults=faults)
    return [simulator.send(str(1000 + number)) for number in range(messages)]


def posts(*faults: str | Fault) -> Iterator[Post]:
    for message in sent(*faults):
        yield from message.posts


def statuses(message: SimulatedMessage) -> list[str]:
    return [step.status for step in message.steps]


def before(first: str, second: str) -> Callable[[list[str]], bool]:
    """Whether one status comes before another."""
    return lambda names: (
        first in names and second in names and names.index(first) < names.index(second)
    )


JOURNEYS = {
    "skipped-delivered": lambda names: "READ" in names and "DELIVERED" not in names,
    "failed-then-delivered": before("FAILED", "DELIVERED"),
    "delivered-then-failed": before("DELIVERED", "FAILED"),
    "unknown-status": lambda names: any(rank_of(name) is None for name in names),
}


@pytest.mark.parametrize("name", JOURNEYS)
def test_journey_is_there_with_its_fault_alone(name: str) -> None:
    """Such journeys exist with the fault, and only with it."""
    assert any(JOURNEYS[name](statuses(message)) for message in sent(name))
    assert not any(JOURNEYS[name](statuses(message)) for message in sent())


@pytest.mark.parametrize("faults", [(), tuple(JOURNEYS)])
def test_a_journey_goes_forward_and_repeats_no_status(faults: tuple[str, ...]) -> None:
    """A journey begins with QUEUED, has no status twice and goes forward in time."""
    for message in sent(*faults):
        names = statuses(message)
        assert names[0] == "QUEUED"
        assert len(names) == len(set(names))
        assert message.sent_at < message.steps[0].timestamp
        assert all(step.timestamp < step.event_time for step in message.steps)
        known = [step for step in message.steps if step.status in list(Status)]
        assert all(one.timestamp < other.timestamp for one, other in pairwise(known))


def test_copies_are_posted_besides_the_event() -> None:
    """Copies are posted in addition to the event, identical or with only a new event_time."""
    originals = {(post.message_id, post.step.status): post for post in posts("duplicates")}
    copies = [post for post in posts("duplicates") if post.is_copy]
    assert {post.at_once for post in copies} == {True, False}
    for copy in copies:
        original = originals[copy.message_id, copy.step.status]
        without = [{**post.payload, "event_time": None} for post in (copy, original)]
        assert without[0] == without[1]


def test_out_of_order() -> None:
    """Some messages' events are posted in another order than they happened."""

    def disordered(message: SimulatedMessage) -> bool:
        dues = [post.due for post in message.posts]
        return dues != sorted(dues)

    assert any(map(disordered, sent("out-of-order")))
    assert not any(map(disordered, sent()))


def test_late_events_come_hours_later() -> None:
    """Late events come hours or days after their timestamp, with a fresh event_time."""
    late = [post for post in posts("late") if post.due - post.step.timestamp > HOUR]
    hours = [(post.due - post.step.timestamp) // HOUR for post in late]
    assert min(hours) < 13
    assert max(hours) > 24
    for post in late:
        event = OutboundMessageEventSchema().load(json.loads(post.body()))
        assert event.event_time is not None
        assert (event.event_time - event.timestamp).total_seconds() >= 3600


@pytest.mark.parametrize("name", ["unknown-fields", "missing-fields", "numeric-ids"])
def test_changed_payloads_load_as_the_same_event(name: str) -> None:
    """Payloads differ from those without the fault, and still load as the same event."""
    schema = OutboundMessageEventSchema()
    changed = 0
    for plain, odd in zip(posts(), posts(name), strict=True):
        changed += plain.payload != odd.payload
        assert schema.load(odd.payload).key == schema.load(plain.payload).key
    assert changed


def test_ids_are_numbers_in_some_events() -> None:
    """Account, reference and error code are numbers in some events."""
    seen: set[tuple[str, type]] = set()
    for post in posts("numeric-ids"):
        data = post.payload["data"]
        seen |= {("account_id", type(post.payload["account_id"]))}
        seen |= {("reference", type(data.get("external_reference_id")))}
        seen |= {("code", type(data.get("error", {}).get("code")))}
    assert {("account_id", int), ("reference", int), ("code", int)} <= seen
    assert {("account_id", str), ("reference", str), ("code", str)} <= seen


def test_optional_fields_are_missing_somewhere() -> None:
    """Each field that is not required is missing somewhere, and none that is."""
    keys: list[Any] = [{*post.payload, *post.payload["data"]} for post in posts("missing-fields")]
    everywhere = set.intersection(*keys)
    assert everywhere == {
        "account_id", "event_type", "data", "message_id", "status", "timestamp",
    }  # fmt: skip


def test_broken_bodies_do_not_load() -> None:
    """Broken bodies are posted in addition to the events, and none of them loads."""
    broken = [post.body() for post in posts("malformed-body") if post.is_garbled]
    assert broken
    assert len(list(posts("malformed-body"))) == len(list(posts())) + len(broken)
    for body in broken:
        with pytest.raises((ValueError, ValidationError)):
            OutboundMessageEventSchema().load(json.loads(body))


def test_burst_is_due_at_one_moment() -> None:
    """Many events come due at the very same moment."""
    dues = {post.due for post in posts("burst")}
    assert len(dues) < len(list(posts())) / 4
    assert all(post.at_once and post.due > post.step.event_time for post in posts("burst"))


@pytest.mark.parametrize("name", REQUEST_FAULTS)
def test_some_posts_are_sent_with_the_fault(name: str) -> None:
    """With the fault some posts are sent like this, not all, and none without it."""
    found = [REQUEST_FAULTS[name](post) for post in posts(name)]
    assert True in found
    assert False in found
    assert not any(map(REQUEST_FAULTS[name], posts()))


def test_a_custom_fault_is_applied_after_the_known_ones() -> None:
    """A custom fault is applied after the known ones, or replaces the one of its name."""

    def ten_seconds_later(posts: list[Post], random: Random) -> list[Post]:
        for post in posts:
            post.due += 10 * SECOND
        return posts

    own = Fault(name="own", description="Later.", on_posts=ten_seconds_later)
    instead = Fault(name="duplicates", description="No duplicates.")
    simulator = FreshdeskSimulator(faults=[own, instead, "late"])
    assert [fault.name for fault in simulator.faults] == ["late", "duplicates", "own"]
    assert simulator.faults[1:] == [instead, own]
    assert [post.due for post in posts(own)] == [post.due + 10 * SECOND for post in posts()]


def test_unknown_fault() -> None:
    """An unknown fault is an error that lists the known ones."""
    with pytest.raises(UnknownFault, match="no fault 'typo'") as caught:
        FreshdeskSimulator(faults=["duplicates", "typo"])
    assert all(name in str(caught.value) for name in FAULTS)


def test_each_fault_has_a_line() -> None:
    """Each fault says in one line what it does."""
    for name, fault in FAULTS.items():
        assert fault.name == name
        assert fault.description.endswith(".")
        assert "\n" not in fault.description
