"""Faults in what is posted, and when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any, Final

from ..clock import HOUR, MINUTE, SECOND, written
from ..payloads import encode
from ..posts import Post
from .fault import OnPosts, strikes

BURST_EVERY: Final = 30 * MINUTE
LATEST_HOURS: Final = 72
OPTIONAL: Final = ("version", "account_domain", "event_time", "actor")
OPTIONAL_DATA: Final = ("external_reference_id", "error")


def be_late(posts: list[Post], random: Random) -> list[Post]:
    """Hours or days later, with a fresh ``event_time`` and the old ``timestamp``."""
    if strikes(random, 20):
        post = random.choice(posts)
        late = random.choice((random.randint(1, 12), random.randint(24, LATEST_HOURS))) * HOUR
        post.due += late
        post.step = replace(post.step, event_time=post.step.event_time + late)
        post.payload["event_time"] = written(post.step.event_time, 9)
    return posts


def be_out_of_order(posts: list[Post], random: Random) -> list[Post]:
    """A message's events arrive in the wrong order."""
    if strikes(random, 40) and len(posts) > 1:
        dues = [post.due for post in posts]
        random.shuffle(dues)
        for post, due in zip(posts, dues, strict=True):
            post.due = due
    return posts


def burst(posts: list[Post], random: Random) -> list[Post]:
    """Everything is held back until the next half hour, then posted together."""
    for post in posts:
        post.due = -(-post.due // BURST_EVERY) * BURST_EVERY
        post.at_once = True
    return posts


def duplicated(percent: int) -> OnPosts:
    """This percentage of events is posted twice: at once, or later with a new ``event_time``."""

    def duplicate(posts: list[Post], random: Random) -> list[Post]:
        return [*posts, *(_again(post, random) for post in posts if strikes(random, percent))]

    return duplicate


def _again(post: Post, random: Random) -> Post:
    again = post.copy()
    again.at_once = strikes(random, 50)
    if not again.at_once:
        later = random.randint(1, 600) * SECOND
        again.due += later
        if "event_time" in again.payload:
            again.payload["event_time"] = written(again.step.event_time + later, 9)
    return again


def add_unknown_fields(posts: list[Post], random: Random) -> list[Post]:
    """Fields that the vendor does not document."""
    for post in posts:
        if strikes(random, 25):
            post.payload["region"] = random.choice(("eu-central-1", None, {"name": "Ωmega"}))
            post.payload["data"]["channel"] = {"type": "whatsapp", "ids": [1, 2.5, True]}
            if "actor" in post.payload:
                post.payload["actor"]["locale"] = "de-AT"
    return posts


def leave_out_fields(posts: list[Post], random: Random) -> list[Post]:
    """Events without some of the fields that are not required."""
    for post in posts:
        for part, names in ((post.payload, OPTIONAL), (post.payload["data"], OPTIONAL_DATA)):
            for name in names:
                if strikes(random, 10):
                    part.pop(name, None)
    return posts


def use_numbers(posts: list[Post], random: Random) -> list[Post]:
    """Numbers where the samples have text: account, error code and reference."""
    for post in posts:
        if strikes(random, 25):
            data = post.payload["data"]
            _as_number(post.payload, "account_id")
            _as_number(data, "external_reference_id")
            _as_number(data.get("error", {}), "code")
    return posts


def _as_number(part: dict[str, Any], name: str) -> None:
    value = part.get(name)
    if isinstance(value, str) and value.isascii() and value.isdigit() and value == str(int(value)):
        part[name] = int(value)


def garble(posts: list[Post], random: Random) -> list[Post]:
    """A broken copy of an event, posted once in addition to it."""
    broken = []
    for post in posts:
        if strikes(random, 8):
            again = post.copy()
            again.garbled = random.choice(_BREAKS)(encode(post.payload), random)
            again.is_garbled = True
            broken.append(again)
    return [*posts, *broken]


_BREAKS: Final[tuple[Callable[[bytes, Random], bytes], ...]] = (
    lambda body, random: body[: random.randrange(1, len(body))],
    lambda body, random: body.replace(b'"version"', b'"ver\xff\xfesion"') + b"\xff",
    lambda body, random: b"[" + body + b"]",
    lambda body, random: body.replace(b'"status"', b'"state"'),
    lambda body, random: b"<html><body>502 Bad Gateway</body></html>",
)
