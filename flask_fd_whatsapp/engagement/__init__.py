"""What the statuses say: engagement, measured.

The definitions are pure functions; the ledgers, which stand above them, apply them.
"""

from .comparison import compare
from .figures import Bin, CurvePoint, Engagement, FailureFigures, Feed, Figures, Late, Times
from .rates import Comparison, Rate

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
