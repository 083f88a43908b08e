"""The state of a pace of calls as kept in a ledger, so that all processes share it."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple


class PaceMoments(NamedTuple):
    """Two moments (UTC), to the microsecond.

    :param tat: the theoretical arrival time: when the next call is due at a steady pace.
    :param paused_until: until then no call is made; ``None`` if there was never a pause.
    """

    tat: datetime
    paused_until: datetime | None = None


class PaceRead(NamedTuple):
    """The state of a pace, and when it was read.

    :param moments: ``None`` if there is no state yet.
    :param now: the time by the ledger's clock.
    """

    moments: PaceMoments | None
    now: datetime
