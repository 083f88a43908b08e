"""Whether a setting's value is accepted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def is_taken(function: Callable[[Any], Any], value: Any) -> bool:
    try:
        function(value)
    except ValueError:
        return False
    return True
