"""What the statuses say: engagement, measured.

The definitions are pure functions; the ledgers, which stand above them, apply them.
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
