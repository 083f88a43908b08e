"""Where a thread is, or a greenlet that looks like one."""

from __future__ import annotations

import gc
import sys
import traceback
from types import FrameType


def stack_of(ident: int) -> str:
    """The stack of the thread with this id, as a traceback shows it."""
    frame = sys._current_frames().get(ident) or _frame_of_greenlet(ident)
    return "".join(traceback.format_stack(frame)) if frame else "  (it cannot be told)\n"


def _frame_of_greenlet(ident: int) -> FrameType | None:
    """Under gevent what looks like a thread is a greenlet, whose id is that of the object."""
    greenlet = sys.modules.get("greenlet")
    if greenlet is None:
        return None
    for found in gc.get_objects():
        if id(found) == ident and isinstance(found, greenlet.greenlet):
            frame: FrameType | None = found.gr_frame
            return frame
    return None
