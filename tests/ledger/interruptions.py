"""A signal that comes at the worst moment."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType, ModuleType


@contextmanager
def interrupted(at: int, *modules: ModuleType) -> Generator[list[str]]:
    """This thread is interrupted in *modules*, at the so manieth place where Python looks for
    signals: as a function begins, or has called one of C's; gives the place, once it is."""
    places: list[str] = []
    files = {module.__file__ for module in modules}

    def look(frame: FrameType, kind: str, _: object) -> None:
        nonlocal at
        code = frame.f_code
        is_there = code.co_filename in files and code.co_name != "<genexpr>"
        if is_there and kind in ("call", "c_return"):
            at -= 1
            if at == 0:
                places.append(f"{code.co_qualname}, line {frame.f_lineno}")
                raise KeyboardInterrupt

    before = sys.getprofile()
    sys.setprofile(look)
    try:
        yield places
    finally:
        sys.setprofile(before)
