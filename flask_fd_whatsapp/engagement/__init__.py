"""Engagement, computed from statuses.

The definitions are pure functions; the ledgers apply them.
"""

from .comparison import compare
from .figures import Bin, CurvePoint, FailureFigures, Figures, Late, Times
from .rates import Comparison, Rate
from .results import Engagement, Feed

__all__ = [
    "Bin",
    "Comparison",
    "CurvePoint",
    "Engagement",
    "FailureFigures",
    "Feed",
    "Figures",
    "Late",
    "Rate",
    "Times",
    "compare",
]
