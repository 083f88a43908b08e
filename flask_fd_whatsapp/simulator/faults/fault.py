"""The definition of a fault."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from ...exceptions import FreshdeskWhatsAppError
from ..journey import Step
from ..posts import Post

OnSteps = Callable[[list[Step], Random], list[Step]]
OnPosts = Callable[[list[Post], Random], list[Post]]


class UnknownFault(FreshdeskWhatsAppError, ValueError):
    """There is no fault with that name; the message lists the known ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that can go wrong.

    Each message has a random generator of its own for it, so that switching another fault on does
    not change where this one strikes.

    :param description: what it does, in one line.
    :param on_steps: changes the course of a message.
    :param on_posts: changes what is posted about it, how and when.
    """

    name: str
    description: str
    on_steps: OnSteps | None = None
    on_posts: OnPosts | None = None


def strikes(random: Random, percent: int) -> bool:
    """Whether to strike now, at random, in *percent* of all cases."""
    return random.randrange(100) < percent
