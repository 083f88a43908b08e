"""What a pace of calls remembers in a ledger, so that all processes go by the same one."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple


class PaceMoments(NamedTuple):
    """Two moments (UTC), to the microsecond.

    :param tat: when the next call would come if all kept the pace.
    :param paused_until: until then no call is made; ``None`` if nothing ever paused.
    """

    tat: datetime
    paused_until: datetime | None = None


class PaceRead(NamedTuple):
    """What was read.

    :param moments: ``None`` if nothing is remembered yet.
    :param now: the moment of the ledger's clock.
    """

    moments: PaceMoments | None
    now: datetime
