"""The stack of a thread, or of a greenlet that looks like one."""

from __future__ import annotations

import gc
import sys
import traceback
from types import FrameType


def stack_of(ident: int) -> str:
    """Return the stack of the thread with this id, formatted like a traceback."""
    frame = sys._current_frames().get(ident) or _frame_of_greenlet(ident)
    return "".join(traceback.format_stack(frame)) if frame else "  (not available)\\n"


def _frame_of_greenlet(ident: int) -> FrameType | None:
    """Under gevent a thread may be a greenlet, whose id is that of the object."""
    greenlet = sys.modules.get("greenlet")
    if greenlet is None:
        return None
    for found in gc.get_objects():
        if id(found) == ident and isinstance(found, greenlet.greenlet):
            frame: FrameType | None = found.gr_frame
            return frame
    return None
