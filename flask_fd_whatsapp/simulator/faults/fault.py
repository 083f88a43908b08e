"""What a fault is."""

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
    """There is no fault of that name; the message lists those there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that can go wrong.

    Chance decides where it strikes, from a generator of its own for each message: whether
    another fault is on does not change it.

    :param description: what it does, in a line.
    :param on_steps: changes what becomes of a message.
    :param on_posts: changes what is posted of it, how and when.
    """

    name: str
    description: str
    on_steps: OnSteps | None = None
    on_posts: OnPosts | None = None


def strikes(random: Random, percent: int) -> bool:
    """Whether something that happens in *percent* of all cases happens now."""
    return random.randrange(100) < percent
