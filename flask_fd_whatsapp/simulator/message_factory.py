"""Makes messages: the journey and posts of each are decided when it is sent."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Final

from ..freshdesk.ulid import make_ulid
from .account import Account
from .faults import Fault
from .journey import Step, make_journey
from .payloads import make_payload
from .posts import Post
from .simulated_message import SimulatedMessage

POSTED_AFTER: Final = 40_000_000
"""Nanoseconds from an event's creation to its first attempt."""


class MessageMaker:
    """Makes the messages of one account.

    The same seed, faults, number, time and reference yield the same message, byte for byte.

    :param now: returns the simulated time.
    """

    def __init__(
        self,
        account: Account,
        seed: int | str,
        faults: Sequence[Fault],
        now: Callable[[], int],
    ) -> None:
        self._account = account
        self._seed = seed
        self._faults = faults
        self._now = now

    def make(self, number: int, at: int, reference: str | None, to: str) -> SimulatedMessage:
        """Return the message with that number.

        :param at: when it is sent, in nanoseconds since 1970.
        """
        chance = self._chance(number, "message")
        message_id = make_ulid(at // 1_000_000, chance)
        agent = chance.choice(self._account.agents)
        steps = make_journey(at, chance)
        for fault in self._faults:
            if fault.on_steps is not None:
                steps = fault.on_steps(steps, self._chance(number, fault.name))

        def post_of(step: Step) -> Post:
            payload = make_payload(self._account, agent, message_id, reference, step)
            due = step.event_time + POSTED_AFTER
            return Post(message_id=message_id, step=step, payload=payload, due=due)

        posts = [post_of(step) for step in steps]
        for fault in self._faults:
            if fault.on_posts is not None:
                posts = fault.on_posts(posts, self._chance(number, fault.name))
        return SimulatedMessage(
            id=message_id,
            account_id=self._account.id,
            external_reference_id=reference,
            recipient=to,
            sent_at=at,
            steps=tuple(steps),
            posts=tuple(posts),
            now=self._now,
        )

    def _chance(self, number: int, what: str) -> random.Random:
        return random.Random(f"{self._seed}/{number}/{what}")  # noqa: S311 - reproducible
