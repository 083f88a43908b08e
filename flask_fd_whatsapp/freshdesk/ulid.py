"""ULIDs, as in Freshdesk's message ids: 48 bits of time and 80 random bits, as 26 characters."""

from __future__ import annotations

import time
from random import Random, SystemRandom
from typing import Final

_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LENGTH: Final = 26
_RANDOM_BITS: Final = 80


def make_ulid(milliseconds: int, random: Random) -> str:
    """Return the ULID of a time and random bits.

    :param milliseconds: since 1970, UTC.
    """
    number = milliseconds << _RANDOM_BITS | random.getrandbits(_RANDOM_BITS)
    return "".join(_CROCKFORD[number >> 5 * place & 31] for place in reversed(range(_LENGTH)))


def new_ulid() -> str:
    """Create a ULID for the current time; unique, and not predictable."""
    return make_ulid(time.time_ns() // 1_000_000, SystemRandom())


def ulid_time(ulid: str) -> int:
    """Return when a ULID was created, in milliseconds since 1970 (UTC).

    :raises ValueError: if it is not a ULID.
    """
    if len(ulid) != _LENGTH or ulid[0] > "7" or set(ulid) - set(_CROCKFORD):
        raise ValueError(f"{ulid!r} is not a ULID.")
    number = 0
    for letter in ulid:
        number = number << 5 | _CROCKFORD.index(letter)
    return number >> _RANDOM_BITS
