"""Posts: an event, or something that looks like one, with how and when it is posted."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from enum import Enum, StrEnum, auto
from typing import Any, Final

from .clock import written
from .journey import Step
from .payloads import encode

JSON: Final = "application/json"


class Manner(StrEnum):
    """How a request is sent, if not normally."""

    PLAIN = auto()
    SLOW = auto()
    CUT_BEFORE_ANSWER = auto()
    CUT_AFTER_ANSWER = auto()


class Fate(Enum):
    """The outcome of a post."""

    WAITING = auto()
    ACKNOWLEDGED = auto()
    GIVEN_UP = auto()
    SPOILT = auto()


@dataclass(slots=True, kw_only=True, eq=False)
class Post:
    """One event to be posted until it is acknowledged or given up.

    :param message_id: the message it is about.
    :param step: the step it reports.
    :param due: when it is first posted, in nanoseconds since 1970.
    :param content_type: of the body, ``None`` to leave it out.
    :param is_copy: whether it is a duplicate of another post.
    :param is_garbled: whether its body is broken; it is then posted once, and reports nothing.
    :param at_once: whether it is posted alongside others of its message, not after them.
    :param wrong_token: whether its first attempt has wrong headers.
    :param manner: how its first attempt is sent.
    :param tries: how often it has been posted.
    """

    message_id: str
    step: Step
    payload: dict[str, Any]
    due: int
    content_type: str | None = JSON
    is_copy: bool = False
    is_garbled: bool = False
    at_once: bool = False
    wrong_token: bool = False
    manner: Manner = Manner.PLAIN
    garbled: bytes = b""
    tries: int = 0
    fate: Fate = Fate.WAITING
    problem: str = field(default="", repr=False)

    def body(self, event_time: int | None = None) -> bytes:
        """Return the body to send.

        :param event_time: replaces the event's own, in nanoseconds since 1970.
        """
        if self.is_garbled:
            return self.garbled
        if event_time is None or "event_time" not in self.payload:
            return encode(self.payload)
        return encode({**self.payload, "event_time": written(event_time, 9)})

    def copy(self) -> Post:
        """Return a duplicate of it."""
        return Post(
            message_id=self.message_id,
            step=self.step,
            payload=copy.deepcopy(self.payload),
            due=self.due,
            content_type=self.content_type,
            is_copy=True,
        )
