"""When an unfinished event is tried again, and when it is given up; every ledger asks here."""

from __future__ import annotations

import random
from typing import Final, NamedTuple

from .records import Policy, Tried
from .views import State

FIRST_DELAY_SECONDS: Final = 30
MAX_DELAY_SECONDS: Final = 6 * 3600
JITTER: Final = 0.25
"""The share by which a delay may be shorter or longer, so that what failed together spreads."""


class Before(NamedTuple):
    """What the ledger knew of an event when the try at it ended.

    :param attempts: failed attempts, the one that ends included if it counts.
    :param counts: whether it does: the event was due, or the process of the last try died.
    :param postponed: how often handlers have asked to be called later.
    :param age_seconds: since the event was recorded, or last revived.
    :param has_given_up: a handler gave up in an earlier try.
    """

    attempts: int
    counts: bool = True
    postponed: int = 0
    age_seconds: float = 0
    has_given_up: bool = False


class After(NamedTuple):
    """What becomes of the event.

    :param delay_seconds: until the sweep may try it again; ``None`` if that stays as it was, or if
        the event is settled.
    :param last_error: what its handlers said, by name; ``None`` if that stays as it was.
    """

    state: State
    attempts: int
    postponed: int
    delay_seconds: float | None = None
    last_error: str | None = None


def may_be_tried(attempts: int, policy: Policy) -> bool:
    """Whether a pending event may be tried, after so many attempts that failed or died."""
    return attempts < policy.max_attempts


def is_done(tried: Tried, *, has_given_up: bool) -> bool:
    """Whether a pending event is done after a try: no handler is left, and none gave up.

    :param has_given_up: one did in an earlier try.
    """
    return not (tried.failed or tried.gave_up or has_given_up) and tried.retry_after is None


def after_try(tried: Tried, before: Before, policy: Policy) -> After:
    """What becomes of a pending event after a try."""
    is_postponed = tried.retry_after is not None
    has_failed = bool(tried.failed)
    attempts = before.attempts
    if is_postponed and not has_failed and before.counts:
        attempts -= 1  # asking to be called later is no failed attempt
    said = {**tried.failed, **tried.postponed, **tried.gave_up}
    state, delay = State.PENDING, None
    if not has_failed and not is_postponed:
        is_good = is_done(tried, has_given_up=before.has_given_up)
        state = State.DONE if is_good else State.DEAD
    elif before.age_seconds > policy.give_up_after or (
        has_failed and before.counts and not may_be_tried(attempts, policy)
    ):
        state = State.DEAD
    elif not has_failed:
        delay = tried.retry_after
    elif before.counts:
        delay = delay_after(attempts)
    return After(
        state=state,
        attempts=attempts,
        postponed=before.postponed + is_postponed,
        delay_seconds=delay,
        last_error="; ".join(f"{name}: {text}" for name, text in said.items()) or None,
    )


def delay_after(attempts: int) -> float:
    """Seconds until the next try: doubled with each attempt, up to six hours, with jitter.

    :param attempts: how many have failed, from 1.
    """
    delay = min(FIRST_DELAY_SECONDS * 2.0 ** min(attempts - 1, 30), MAX_DELAY_SECONDS)
    return delay * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311  # no secret
