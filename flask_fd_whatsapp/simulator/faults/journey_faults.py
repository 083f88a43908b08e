"""Faults in the course of a message."""

from __future__ import annotations

from random import Random
from typing import Final

from ...events import Status
from ..journey import Step, next_step
from .fault import strikes

UNKNOWN_STATUSES: Final = ("ACCEPTED", "IN_PROGRESS", "DELETED", "WARNING", "PLAYED")


def _place(steps: list[Step], status: str) -> int | None:
    return next((place for place, step in enumerate(steps) if step.status == status), None)


def skip_delivered(steps: list[Step], random: Random) -> list[Step]:
    """WhatsApp sends no DELIVERED if a message is read at once."""
    if strikes(random, 40) and _place(steps, Status.READ) is not None:
        return [step for step in steps if step.status != Status.DELIVERED]
    return steps


def fail_then_deliver(steps: list[Step], random: Random) -> list[Step]:
    """One device fails, another delivers."""
    place = _place(steps, Status.DELIVERED)
    if not strikes(random, 20) or place is None or _place(steps, Status.FAILED) is not None:
        return steps
    before = steps[place - 1].timestamp
    failed = next_step(Status.FAILED, before, random)
    return [
        *steps[:place],
        failed,
        *(step.later(failed.timestamp - before) for step in steps[place:]),
    ]


def deliver_then_fail(steps: list[Step], random: Random) -> list[Step]:
    """One device delivers, another fails."""
    if (
        not strikes(random, 20)
        or _place(steps, Status.DELIVERED) is None
        or _place(steps, Status.FAILED) is not None
    ):
        return steps
    return [*steps, next_step(Status.FAILED, steps[-1].timestamp, random)]


def add_unknown_status(steps: list[Step], random: Random) -> list[Step]:
    """A status that the vendor does not document."""
    if not strikes(random, 20):
        return steps
    place = random.randint(1, len(steps))
    status = random.choice(UNKNOWN_STATUSES)
    return [*steps[:place], next_step(status, steps[place - 1].timestamp, random), *steps[place:]]
