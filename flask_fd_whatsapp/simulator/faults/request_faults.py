"""Faults in how a request is sent; the next attempt is sent correctly."""

from __future__ import annotations

from random import Random
from typing import Final

from ..posts import Manner, Post
from .fault import OnPosts, strikes

CONTENT_TYPES: Final = (
    None,
    "text/plain",
    "application/json; charset=UTF-8",
    "application/x-www-form-urlencoded",
    "application/vnd.api+json",
)


def wrong_token(posts: list[Post], random: Random) -> list[Post]:
    """Outdated header values."""
    for post in posts:
        post.wrong_token = post.wrong_token or strikes(random, 5)
    return posts


def other_content_type(posts: list[Post], random: Random) -> list[Post]:
    """A content type other than JSON's, or none."""
    for post in posts:
        if strikes(random, 30):
            post.content_type = random.choice(CONTENT_TYPES)
    return posts


def sent(manner: Manner, percent: int) -> OnPosts:
    """Return a fault that sends some posts in a certain manner."""

    def send_so(posts: list[Post], random: Random) -> list[Post]:
        for post in posts:
            if strikes(random, percent):
                post.manner = manner
        return posts

    return send_so
