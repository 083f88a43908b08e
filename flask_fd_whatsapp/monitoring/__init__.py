"""Monitoring: health endpoints, metrics, traces, and what needs attention at each receiver."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .health import health_blueprint

if TYPE_CHECKING:
    from .collector import LedgerCollector
    from .instrumentation import instrument

__all__ = ["LedgerCollector", "health_blueprint", "instrument"]

_NEEDS_AN_EXTRA = {"LedgerCollector": "collector", "instrument": "instrumentation"}


def __getattr__(name: str) -> Any:
    """Import on access what needs an extra."""
    if name not in _NEEDS_AN_EXTRA:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_NEEDS_AN_EXTRA[name]}", __name__), name)
