"""Two days without webhooks: reconcile recovers what was lost, and late webhooks change only
times.
"""

from __future__ import annotations

import os
from collections import Counter
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from flask import Flask

from flask_fd_whatsapp import StatusEvent, status_changed
from flask_fd_whatsapp.freshdesk import reconcile
from flask_fd_whatsapp.ledger import MemoryLedger
from flask_fd_whatsapp.simulator import Fault
from flask_fd_whatsapp.simulator.clock import DAY, MINUTE, moment_of
from flask_fd_whatsapp.simulator.journey import Step
from flask_fd_whatsapp.simulator.posts import Post

from ..ledger.conftest import LEDGERS
from ..ledger.databases import fresh_database
from .catching_up import System, system

MESSAGES = int(os.environ.get("FD_WHATSAPP_TEST_OUTAGE", "60"))
"""How many are sent in four days; set it to 3000 for the whole campaign."""

OUTAGE = range(DAY, 3 * DAY)
LENGTH = timedelta(days=4)


def read_late(steps: list[Step], random: Random) -> list[Step]:
    """People read hours after a message has arrived."""
    wait = random.randrange(2 * 60, 30 * 60) * MINUTE
    return [step.later(wait) if step.status == "READ" else step for step in steps]


FAULTS = (
    Fault(name="late-reads", description="Reads come hours later.", on_steps=read_late),
    "skipped-delivered",
    "failed-then-delivered",
    "delivered-then-failed",
)


@pytest.mark.slow
@pytest.mark.parametrize("kind", LEDGERS)
def test_an_outage_of_two_days(kind: str, tmp_path: Path) -> None:
    """A recheck corrects every message, and late webhooks call nobody twice, revert nothing, and
    supply WhatsApp's times.
    """
    with ExitStack() as stack:
        url = "memory://"
        if kind != "memory":
            url = stack.enter_context(fresh_database(kind, tmp_path))
        host = stack.enter_context(system(ledger_url=url, faults=FAULTS))
        host.ledger.upgrade()
        if isinstance(host.ledger, MemoryLedger):
            host.ledger.store.max_events = 10 * MESSAGES  # beyond which it forgets the oldest
        began = datetime.now(UTC)
        changes: list[StatusEvent] = []

        @status_changed.connect_via(host.app)
        def note(app: Flask, event: StatusEvent) -> None:
            changes.append(event)

        lost = live_through(host)
        wrong = host.disagreeing()
        assert len(wrong) > MESSAGES / 3
        assert {known for known, _ in wrong.values()} >= {None, "DELIVERED"}  # a READ was lost
        done = reconcile(recheck=True, since=began)
        assert (done.problem, done.stopped) == (None, None)
        assert len([one for one in host.limit.calls if one.method == "GET"]) == done.asked
        assert done.asked < MESSAGES
        assert host.disagreeing() == {}

        before, moved = host.known(), len(changes)
        post(host, lost)
        after = host.known()
        assert host.disagreeing() == {}
        assert len(changes) == moved
        for message_id, one in after.items():
            was = before[message_id]
            assert (one.status, one.external_reference_id) == (
                was.status,
                was.external_reference_id,
            )
            assert was.error in (None, one.error)  # a late FAILED may supply it
            assert one.estimated == frozenset()
            assert one.times == reached(host, message_id)
        calls = Counter((event.message_id, event.status) for event in host.events)
        assert set(calls) == {(one.message_id, to) for one in after.values() for to in one.times}
        assert max(calls.values()) == 1


def live_through(host: System) -> list[Post]:
    """Send, and post what Freshdesk posts in those days; gives what it did not post."""
    begin = host.clock.begin
    for number in range(MESSAGES):
        at = begin + number * (LENGTH // timedelta(microseconds=1) * 1000) // MESSAGES
        message = host.simulator.send(f"R{number}", at=at)
        host.ledger.expect(message.id, external_reference_id=message.external_reference_id)
    host.clock.skip(LENGTH)
    posts = [post for one in host.simulator.messages.values() for post in one.posts]
    due = sorted((post for post in posts if post.due <= host.clock.now()), key=by_due)
    lost = [post for post in due if post.due - begin in OUTAGE]
    post(host, [post for post in due if post.due - begin not in OUTAGE])
    return lost


def by_due(post: Post) -> int:
    return post.due


def post(host: System, posts: list[Post]) -> None:
    for one in posts:
        assert host.receiver.receive(one.body(), {}).result.label in ("accepted", "duplicate")


def reached(host: System, message_id: str) -> dict[str, datetime]:
    """When the message really reached what was posted of it."""
    now = host.clock.now()
    steps = (post.step for post in host.simulator.messages[message_id].posts if post.due <= now)
    return {step.status: moment_of(step.timestamp) for step in steps}
