"""When an unfinished event is retried, and when it is dead; every ledger uses this."""

from __future__ import annotations

import random
from typing import Final, NamedTuple

from .records import Policy, Tried
from .views import State

FIRST_DELAY_SECONDS: Final = 30
MAX_DELAY_SECONDS: Final = 6 * 3600
JITTER: Final = 0.25
"""The share by which a delay varies, so that events that failed together spread out."""


class Before(NamedTuple):
    """What the ledger knew about an event when the attempt at it ended.

    :param attempts: failed attempts, including the current one if it counts.
    :param counts: whether it counts: the event was due, or the process of the last attempt died.
    :param postponed: how often handlers have asked to be called later.
    :param age_seconds: since the event was recorded, or last revived.
    :param has_given_up: whether a handler gave up in an earlier attempt.
    """

    attempts: int
    counts: bool = True
    postponed: int = 0
    age_seconds: float = 0
    has_given_up: bool = False


class After(NamedTuple):
    """What becomes of the event.

    :param delay_seconds: until the sweep may handle it again; ``None`` if that is unchanged, or the
        event is settled.
    :param last_error: its handlers' errors, by name; ``None`` if unchanged.
    """

    state: State
    attempts: int
    postponed: int
    delay_seconds: float | None = None
    last_error: str | None = None


def may_be_tried(attempts: int, policy: Policy) -> bool:
    """Whether another attempt is allowed after this many that failed or whose process died."""
    return attempts < policy.max_attempts


def is_done(tried: Tried, *, has_given_up: bool) -> bool:
    """Whether a pending event is done: no handler is left, and none gave up.

    :param has_given_up: whether one did in an earlier attempt.
    """
    return not (tried.failed or tried.gave_up or has_given_up) and tried.retry_after is None


def after_try(tried: Tried, before: Before, policy: Policy) -> After:
    """Return what becomes of a pending event after an attempt."""
    is_postponed = tried.retry_after is not None
    has_failed = bool(tried.failed)
    attempts = before.attempts
    if is_postponed and not has_failed and before.counts:
        attempts -= 1  # asking to be called later is not a failed attempt
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
    """Return the seconds until the next attempt: the back-off doubles up to six hours, with jitter.

    :param attempts: how many have failed, from 1.
    """
    delay = min(FIRST_DELAY_SECONDS * 2.0 ** min(attempts - 1, 30), MAX_DELAY_SECONDS)
    return delay * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311  # no secret
